"""Swaps under load: a real store, its reloader in a thread of its own, and the real room on a log in memory."""

import shutil
from itertools import count
from pathlib import Path
from threading import Event as Gate
from threading import Thread

import numpy as np
import pytest

from stream.core.events import Raised, encode_event, seconds
from stream.kafka.records import Part
from stream.lab.replaying import replay
from stream.lab.training import train_replayed
from stream.models.active import ActiveModels
from stream.models.model import load_model
from stream.models.pointers import CHALLENGER, CHAMPION, Pointer
from stream.models.reload import Loader, Reloader
from stream.models.store import Store
from tests.lab.logs import lines, small_log, small_problem
from tests.scorer.memory_history import MemoryHistory
from tests.scorer.rig import TOPIC, Log, Rig


@pytest.mark.slow
def test_swaps_under_load_lose_no_alert_and_mix_no_models(tmp_path: Path) -> None:
    """While champion and challenger change places all the time every alert is scored once, by whole models only."""
    problem, events = small_problem(), small_log(1_500)
    made = [train_replayed(replay(lines(small_log(seed=seed)), problem), tmp_path / "store") for seed in (1, 2)]
    store = Store(str(tmp_path / "store"))
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    reloader = Reloader(Loader(store, problem, tmp_path / "cache", "test"), 5.0, 30.0)
    store.point(CHAMPION, Pointer(made[0].name))
    reloader.poll()
    done = Gate()

    def flip() -> None:
        turn = 0
        while not done.is_set():
            turn += 1
            store.point(CHALLENGER, Pointer(made[turn % 2].name))
            store.point(CHAMPION, Pointer(made[(turn + 1) % 2].name))
            reloader.poll()

    log = Log()
    for event in events:
        log.put(Part(TOPIC, 0), encode_event(event), seconds(event.at))
    rig = Rig(log, problem, MemoryHistory())
    asked = count()

    def serve() -> ActiveModels:
        """What is active; now and then once a certain version is, so that each of them has scored."""
        wanted = {20: Pointer(made[0].name), 40: Pointer(made[1].name)}.get(next(asked))
        active = reloader.active
        while wanted is not None and active.pointer != wanted:
            Gate().wait(0.0001)
            active = reloader.active
        return active

    rig.ask_served = serve
    thread = Thread(target=flip)
    thread.start()
    try:
        rig.run((7,))
    finally:
        done.set()
        thread.join(60)
    replayed = replay(lines(events), problem)
    alone = {}
    for folder in made:
        model = load_model(folder, problem)
        alone[folder.name] = model.predict(model.features(np.asarray(replayed.rows), replayed.alerts)).tolist()
    index = {alert.alert_id: number for number, alert in enumerate(replayed.alerts)}
    records = rig.publisher.enriched()
    assert [r.alert.alert_id for r in records] == [e.alert_id for e in events if isinstance(e, Raised)]
    for record in records:
        said = record.score
        assert said.model is not None
        assert said.probability == alone[said.model][index[record.alert.alert_id]]
        assert "challenger_failed" not in record.flags
        if said.challenger is not None:
            assert said.challenger.model != said.model
            assert said.challenger.probability == alone[said.challenger.model][index[record.alert.alert_id]]
    assert {record.score.model for record in records} == {folder.name for folder in made}
    assert any(record.score.challenger is not None for record in records)
