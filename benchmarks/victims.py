"""Milliseconds of CPU a row of an encoder, by batch rows and length: what the canonical shapes stand on.

    python3 benchmarks/victims.py [--json]

Also says whether a row's state is the same to the bit at every number of rows, and how much the lean
forward saves against the library's (``durometer.victims.encoder.roberta_states``). One thread.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import torch

from durometer.victims.encoder import EncoderNetwork, HeadConfig, encoder_config
from durometer.victims.presets import preset

LENGTHS, ROWS = (24, 64, 128, 254), (1, 4, 8)
SECONDS = 0.3


def cpu_ms(function: Callable[[], object]) -> float:
    function()
    count, start = 0, time.process_time()
    while time.process_time() - start < SECONDS:
        function()
        count += 1
    return (time.process_time() - start) / count * 1000


def measure(name: str) -> list[dict[str, object]]:
    torch.manual_seed(0)
    shape, _ = preset(name)
    network = EncoderNetwork(encoder_config(shape.encoder(shape.vocabulary)), HeadConfig()).eval()
    rows: list[dict[str, object]] = []
    for length in (n for n in LENGTHS if n <= shape.max_length):
        ids = torch.randint(5, shape.vocabulary, (max(ROWS), length))
        row: dict[str, object] = {"preset": name, "length": length}
        with torch.inference_mode():
            alone = network.states(ids[:1])
            for count in ROWS:
                row[f"ms_rows_{count}"] = round(
                    cpu_ms(lambda n=count, ids=ids: network.states(ids[:n])) / count, 3
                )
            row["same_bits"] = all(torch.equal(network.states(ids[:n])[:1], alone) for n in ROWS)
            row["ms_library"] = round(cpu_ms(lambda ids=ids: network.encoder(input_ids=ids[:1])), 3)
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row for name in ("tiny", "small") for row in measure(name)]
    if arguments.json:
        print(json.dumps(rows))
        return
    print("  ".join(f"{key:>10}" for key in rows[0]))
    for row in rows:
        print("  ".join(f"{value!s:>10}" for value in row.values()))


if __name__ == "__main__":
    main()
