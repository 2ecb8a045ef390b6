"""Every shared body over HTTP, in the list's order: the status will do, and nothing is our fault."""

import asyncio
import re
from pathlib import Path

from stream.intake.auth import AuthOptions
from tests.intake.expectations import INPUTS, postings
from tests.intake.process import PAGERDUTY_SECRET
from tests.intake.rig import rig


def test_every_body_is_answered_as_expected(shared_data: Path) -> None:
    """Statuses are those that the list names, or that are argued for; every 4xx says one sentence."""
    folder = shared_data.parent / INPUTS

    async def test() -> list[str]:
        wrong = []
        signed = {"pagerduty": AuthOptions(secrets=(PAGERDUTY_SECRET,))}
        async with rig(auth=signed) as signing, rig() as trusting:
            for posting in postings(folder):
                body, headers = posting.read(folder)
                intake = trusting if posting.is_unsigned else signing
                answer = await intake.post(posting.route, body, headers)
                if answer.status_code not in posting.statuses:
                    wrong.append(f"{posting.file} to {posting.route}: {answer.status_code} {answer.text[:200]}")
                if answer.status_code >= 400:
                    sentence = answer.json()["error"]
                    assert 20 < len(sentence) < 400, posting.file
                    assert sentence.isprintable(), posting.file
                    assert not re.search(r"[.!?] [A-Z]", sentence), posting.file
        return wrong

    assert asyncio.run(test()) == []
