from __future__ import annotations

from stability_sweep.storage import Repository
from stability_sweep.workers.stopping import StopRequest
from stability_sweep.workers.watching import follow
from tests.conftest import StudyBuilder, make_definition, make_result


def test_a_study_that_has_ended_is_looked_at_once(finished_study: StudyBuilder, repository: Repository) -> None:
    study = finished_study(lambda point: make_result(), trials=2)
    looks: list[bool] = []
    follow(repository, study, looks.append, every_seconds=600, stop=StopRequest())
    assert looks == [True]


def test_a_study_that_goes_on_is_looked_at_until_a_stop_is_requested(repository: Repository) -> None:
    study = repository.create_study(make_definition(), "digits")
    stop = StopRequest()
    looks: list[bool] = []

    def look(has_ended: bool) -> None:
        looks.append(has_ended)
        stop.interrupted = len(looks) == 3

    follow(repository, study, look, every_seconds=0, stop=stop)
    assert looks == [False, False, False]
