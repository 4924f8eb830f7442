"""Chance that a failure can be replayed with."""

import random

import pytest


@pytest.fixture
def chance() -> random.Random:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    return random.Random(seed)
