"""Where an optimization stands, as its row says."""

COMPARING = "comparing"
CONCLUDED = "concluded"
