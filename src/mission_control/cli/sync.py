"""`mission-control sync`."""

from mission_control.cli.options import ApiUrl, AsJson, Wait, Watch


def sync(
    *, watch: Watch = False, wait: Wait = True, as_json: AsJson = False, api_url: ApiUrl = None
) -> None:
    """Read what is new at Vapi, Close and the memory servers. Exit code 1 when one of them could not be read."""
    from mission_control.cli import job_results, mirror_tables
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        job = session.client.syncs.start()
        if wait or watch:
            mirror_tables.await_sync(session, job, watch=watch)
        else:
            job_results.leave_running(session, job)
