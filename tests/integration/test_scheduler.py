"""What is due is sent once: nothing piles up behind workers that are busy or not there."""

from pathlib import Path

import pytest
from redis import Redis

from mission_control.api import schedule
from mission_control.api.queue import celery_app, tasks_in
from mission_control.core.settings import Settings
from mission_control.core.words import Queue
from mission_control.data.heartbeats import Heartbeat, HeartbeatWriter, open_impatient_redis
from mission_control.worker.scheduler import InMemoryScheduler

SCHEDULED = {entry["task"] for entry in celery_app.conf.beat_schedule.values()}


@pytest.fixture
def redis(redis_url: str) -> Redis:
    return open_impatient_redis(redis_url)


@pytest.fixture
def scheduler(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InMemoryScheduler:
    settings = Settings(_env_file=None, redis_url=redis_url, mc_data_dir=tmp_path)  # type: ignore[call-arg]
    monkeypatch.setattr("mission_control.worker.scheduler.get_settings", lambda: settings)
    celery_app.conf.broker_url = settings.celery_broker
    return InMemoryScheduler(app=celery_app)


def send_all(scheduler: InMemoryScheduler) -> None:
    for entry in scheduler.schedule.values():
        scheduler.apply_entry(entry, producer=scheduler.producer)


def waiting(redis: Redis) -> list[str]:
    return sorted(task for queue in Queue for task in tasks_in(redis.lrange(queue, 0, -1)))


def test_of_each_kind_one_waits_at_most(scheduler: InMemoryScheduler, redis: Redis) -> None:
    for _ in range(5):
        send_all(scheduler)

    assert waiting(redis) == sorted(SCHEDULED)


def test_what_a_worker_is_doing_is_not_sent_again(
    scheduler: InMemoryScheduler, redis: Redis
) -> None:
    busy = Heartbeat(part="worker", host="other", pid=1, running=["calls.poll", "memory.index"])
    HeartbeatWriter(redis).write(busy)

    send_all(scheduler)

    assert waiting(redis) == sorted(SCHEDULED - {"calls.poll", "memory.index"})


def test_a_worker_that_is_gone_holds_nothing_up(scheduler: InMemoryScheduler, redis: Redis) -> None:
    busy = Heartbeat(part="worker", host="other", pid=1, running=["calls.poll"])
    HeartbeatWriter(redis).write(busy)
    redis.delete(busy.key)  # as time does

    send_all(scheduler)

    assert "calls.poll" in waiting(redis)


def test_the_sweeper_waits_behind_no_background_work(
    scheduler: InMemoryScheduler, redis: Redis
) -> None:
    send_all(scheduler)

    assert tasks_in(redis.lrange(Queue.DEPLOYMENTS, 0, -1)) == ["jobs.sweep"]
    assert set(tasks_in(redis.lrange(Queue.BACKGROUND, 0, -1))) == SCHEDULED - {"jobs.sweep"}
    assert schedule.SWEEP_SECONDS <= 5
