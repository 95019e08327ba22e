"""The stage: checkpoint + dataset -> LiteRT files, or a folder that says that none were asked for."""

from __future__ import annotations

from components.export.results import export_nothing
from components.export.settings import Settings
from components.model import load_tensorflow


def run(settings: Settings) -> None:
    """Exports, writes the card and the numbers, and says how many files there are."""
    if settings.chosen:
        load_tensorflow()  # it takes seconds, and a task that is switched off should be done in one
        from components.export.export import export

        result = export(settings)
    else:
        result = export_nothing(settings.output)
    result.write_card(settings.html, settings.markdown, settings.executor_input)
    print(f"{len(result.exported)} files in {settings.output}")
