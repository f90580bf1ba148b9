"""``durometer status`` beside a run: the same words, watched to the end, and a warning where rows mix."""

import json

import toy_runs


def test_watching_ends_with_the_run(toy, tmp_path):
    folder = tmp_path / "run"
    process = toy_runs.start(["run", toy, "--out", folder, "--workers", "1"], TOY_SLEEP="0.002")
    while not (folder / "plan.json").exists():
        assert process.poll() is None, toy_runs.finish(process)
    lines = toy_runs.start(["status", folder, "--watch", "--json"])
    code, out, err = toy_runs.call("status", folder, "--watch")
    assert code == 0, err
    assert toy_runs.finish(process)[0] == 0
    assert "25/25" in out
    code, out, err = toy_runs.finish(lines)
    assert code == 0, err
    looks = [json.loads(line) for line in out.splitlines()]
    assert [look["complete"] for look in looks] == [False] * (len(looks) - 1) + [True]
    assert looks[0]["active"]
    code, out, _ = toy_runs.call("status", folder, "--json")
    record = json.loads(out)
    assert record["complete"]
    assert record["mixed"] == ""
    cells = [node for node in record["nodes"] if node["kind"] == "cell"]
    assert all(cell["done"] == cell["total"] == 25 for cell in cells)
    assert all(cell["fingerprints"] == ["toy"] for cell in cells)


def test_rows_of_different_arithmetic_are_flagged_by_run_and_status(toy, tmp_path):
    folder = tmp_path / "run"
    code, _, err = toy_runs.call("run", toy, "--out", folder, "--backend", "in-process")
    assert code == 0, err
    assert "WARNING" not in err
    toy.write_text(toy.read_text().replace("[1, 2]", "[1, 2, 3]"))
    arguments = ("run", toy, "--out", folder, "--backend", "in-process")
    code, _, err = toy_runs.call(*arguments, TOY_FINGERPRINT="another machine")
    assert code == 0, err
    assert "different arithmetic (another machine; toy)" in err
    code, out, _ = toy_runs.call("status", folder)
    assert "different arithmetic" in " ".join(out.split())
