"""The demo's folder: an interrupted demo can be given again."""

import pytest

from matcher.demo import run


@pytest.mark.slow
@pytest.mark.parametrize("stopped", ["write_patches", "write_submission", "match", "score", "_draw"])
def test_what_an_interrupted_demo_wrote_is_its_own(tmp_path, monkeypatch, stopped):
    def stop(*_arguments, **_options):
        raise KeyboardInterrupt

    if stopped in ("score", "_draw"):
        (tmp_path / "done").mkdir()
        done = run.run_demo(tmp_path / "done").result
        monkeypatch.setattr(run, "match", lambda *_arguments, **_options: done)
    monkeypatch.setattr(run, stopped, stop)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run.run_demo(tmp_path / "out")
