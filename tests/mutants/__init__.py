"""Mutation testing: is each small change of the code that decides noticed by a test near by?

mutmut makes the mutants. It is not left to run them: it forks a pytest for each of thousands, which
would each start a Redis, an engine and the stand-ins again (as cosmic-ray would, which starts a
process for each). Here one session of pytest keeps its services and switches from mutant to mutant.
"""
