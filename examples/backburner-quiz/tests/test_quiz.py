"""The quiz, as Backburner would run it, without a server."""

import pytest
from backburner_quiz import quiz

from agent_tools.jobs.errors import BadRequest
from agent_tools.testing import perform

MOON = {"text": "What makes the tide?", "answers": ["The moon", "Whales & <ships>"], "right": 0}


async def test_a_quiz_is_a_page_that_knows_the_right_answers() -> None:
    done = await perform(quiz, topic="Tides", questions=[MOON])

    assert done.data == {"questions": 1}
    assert '<label class="right"><input type="radio" name="q1"> The moon</label>' in done.text("quiz.html")
    assert "Whales &amp; &lt;ships&gt;" in done.text("quiz.html")


async def test_a_right_answer_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadRequest, match="there are 2 answers; the last is 1"):
        await perform(quiz, topic="Tides", questions=[{**MOON, "right": 2}])
