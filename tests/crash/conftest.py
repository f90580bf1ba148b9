"""The rows that a study has when nothing goes wrong: what every run that is disturbed must end with."""

import pytest
import toy_runs


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """Return the bytes of the toy study's ``outcomes.parquet``."""
    folder = tmp_path_factory.mktemp("undisturbed")
    study = folder / "toy.yaml"
    study.write_text(toy_runs.STUDY)
    code, _, err = toy_runs.call("run", study, "--out", folder / "run")
    assert code == 0, err
    return (folder / "run" / "outcomes.parquet").read_bytes()
