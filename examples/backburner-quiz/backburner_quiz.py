"""A kind of job: a multiple-choice quiz as one web page that marks itself, without a script."""

from typing import Annotated

from jinja2 import Environment
from pydantic import BaseModel, Field, model_validator

from agent_tools import Artifact, JobContext, Result, job_kind


class Question(BaseModel):
    """What is asked, what may be answered, and which answer is right."""

    text: str = Field(min_length=1)
    answers: list[str] = Field(min_length=2, max_length=6)
    right: int = Field(ge=0, description="the place of the right answer, from 0")

    @model_validator(mode="after")
    def _is_there(self) -> "Question":
        if self.right >= len(self.answers):
            raise ValueError(f"right: there are {len(self.answers)} answers; the last is {len(self.answers) - 1}")
        return self


@job_kind("quiz", timeout="1m", usually="a second")
async def quiz(
    job: JobContext, topic: str, questions: Annotated[list[Question], Field(min_length=1, max_length=50)]
) -> Result:
    """Make a multiple-choice quiz of your questions: a web page that shows at once which answers are right.

    Takes about a second. Write the questions yourself.
    """
    job.progress("Writing the page", 0, 1)
    html = _PAGE.render(topic=job.title or topic, questions=questions)
    return Result(
        data={"questions": len(questions)},
        artifacts=[Artifact.text("quiz.html", html, title=f"Quiz: {topic}")],
        line=f"{topic}: {len(questions)} questions",
    )


_PAGE = Environment(autoescape=True).from_string("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{ topic }}</title>
<style>
  body { max-width: 40rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; font: 1.0625rem/1.6 system-ui, sans-serif; }
  fieldset { margin: 2rem 0; padding: 0; border: 0; }
  legend { padding: 0; margin-bottom: 0.6rem; font-weight: 600; }
  label { display: block; margin: 0.4rem 0; padding: 0.6rem 0.9rem; border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: 10px; cursor: pointer; }
  label:has(:checked) { border-color: #b3261e; background: color-mix(in srgb, #b3261e 12%, transparent); }
  label.right:has(:checked) { border-color: #2e7d32; background: color-mix(in srgb, #2e7d32 14%, transparent); }
  label:has(:checked)::after { content: " – no"; font-weight: 600; }
  label.right:has(:checked)::after { content: " – right"; }
</style>
<h1>{{ topic }}</h1>
{% for question in questions %}
<fieldset>
  <legend>{{ loop.index }}. {{ question.text }}</legend>
  {% set number = loop.index %}
  {% for answer in question.answers %}
  <label{% if loop.index0 == question.right %} class="right"{% endif %}><input type="radio" name="q{{ number }}"> {{ answer }}</label>
  {% endfor %}
</fieldset>
{% endfor %}
</html>
""")
