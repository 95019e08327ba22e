"""What a task does to its process, no other task feels; and no process answers by another network."""

from __future__ import annotations

import asyncio
import shutil
from functools import partial

import pytest

from components.common.errors import FacenetError
from components.extract.workers import Died
from components.serve.settings import Settings
from components.serve.workers import Workers
from components.verify.faces import embed_photo
from components.verify.model import open_model


def test_a_process_that_dies_costs_its_task_and_its_successor_has_the_same_network(
    model, unevaluated, people, tmp_path, capfd
):
    path = tmp_path / "facenet.tflite"
    shutil.copy(model, path)
    settings, photo = Settings(checkpoint=path), min(people.values())[0]
    opened = open_model(settings)
    workers = Workers(settings, opened, 1, 30)
    look = partial(embed_photo, photo, which="all")

    async def scenario():
        (seen,) = await workers(look)
        assert workers.ready
        assert seen.embedding.tolist() == embed_photo(photo, opened, "all")[0].embedding.tolist()
        assert isinstance(await workers(partial(exit, 3)), Died)  # a call that no function takes: its process ends
        shutil.copy(unevaluated, path)
        with pytest.raises(FacenetError, match="no longer the one that the server was started with"):
            await workers(look)
        shutil.copy(model, path)
        assert len(await workers(look)) == 1

    asyncio.run(scenario())
    assert "TypeError" in capfd.readouterr().err
