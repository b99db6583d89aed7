"""A language model of Amazon Bedrock, by `Converse` with one tool that it must use: its input is the answer."""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any

import stamina

from narcis.errors import Unavailable
from narcis.mecene.writers import Brief, Found, schema
from narcis.mecene.writers.schema import Schema

MODEL = "amazon.nova-lite-v1:0"
TOOL = "answer"
CONNECT, READ = 5, 60  # seconds
TRIES, PATIENCE = 4, 90  # calls for one answer, and seconds for all of them
# What may pass within seconds: Converse's own errors, and those of the line.
PASSING = (
    *("ThrottlingException", "ServiceUnavailableException", "ModelTimeoutException", "ModelNotReadyException"),
    *("InternalServerException", "ModelErrorException"),
)


class Bedrock:
    """Credentials are found where boto3 finds them: the task's role, the environment, a profile."""

    name = "bedrock"

    def __init__(self, model: str = "", region: str = ""):
        self.model, self.region = model or MODEL, region

    @cached_property
    def client(self) -> Any:
        import boto3
        from botocore.config import Config

        once = Config(retries={"total_max_attempts": 1}, connect_timeout=CONNECT, read_timeout=READ)
        try:
            return boto3.client("bedrock-runtime", region_name=self.region or None, config=once)
        except Exception as error:
            raise self.meaning(error) from None

    def idea(self, words: str, seed: int, brief: Brief) -> str:
        told = schema.idea_message(words, seed, brief)
        talk = Talk(self, schema.system(schema.IDEA, brief), told, schema.idea_schema())
        return schema.twice(talk.ask, schema.idea_of, str(self))

    def keywords(self, words: str, idea: str, seed: int, brief: Brief) -> Found:
        told = schema.keywords_message(words, idea, brief)
        talk = Talk(self, schema.system(schema.KEYWORDS, brief), told, schema.keywords_schema(brief))
        return schema.twice(talk.ask, partial(schema.found_of, brief=brief), str(self))

    def converse(self, **request: Any) -> Any:
        """One answer, asked for again while what hinders it may pass.  Raises Unavailable."""
        try:
            for attempt in stamina.retry_context(on=passing, attempts=TRIES, timeout=PATIENCE, wait_initial=0.5):
                with attempt:
                    return self.client.converse(modelId=self.model, **request)
        except Exception as error:
            raise self.meaning(error) from None

    def meaning(self, error: Exception) -> Unavailable:
        from botocore.exceptions import BotoCoreError, ClientError

        if isinstance(error, Unavailable):
            return error
        if not isinstance(error, BotoCoreError | ClientError):
            raise error
        return Unavailable(f"{self} cannot be asked: {' '.join(str(error).split())[:300]}")

    def __str__(self) -> str:
        return f"Bedrock's {self.model}"


def passing(error: Exception) -> bool:
    from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Code") in PASSING
    return isinstance(error, ConnectionError | HTTPClientError)


class Talk:
    """One conversation: the question, and where the answer was not what was asked for, what was wrong with it."""

    def __init__(self, writer: Bedrock, system: str, told: str, wanted: Schema):
        self.writer = writer
        self.system = [{"text": system}]
        self.messages: list[dict[str, Any]] = [{"role": "user", "content": [{"text": told}]}]
        tool = {"name": TOOL, "description": "Takes the answer.", "inputSchema": {"json": wanted}}
        self.tools = {"tools": [{"toolSpec": tool}], "toolChoice": {"tool": {"name": TOOL}}}

    def ask(self, wrong: str) -> Any:
        """The tool's input; None where the model has not used it."""
        if wrong:
            self.messages += self.objection(wrong)
        said = self.writer.converse(
            system=self.system,
            messages=self.messages,
            toolConfig=self.tools,
            inferenceConfig={"maxTokens": 1000, "temperature": 0.8},
        )
        self.last = said["output"]["message"]
        return next((part["toolUse"]["input"] for part in self.last["content"] if "toolUse" in part), None)

    def objection(self, wrong: str) -> list[dict[str, Any]]:
        """The model's own turn, and ours: a tool's use must be answered by its result, each by its id."""
        told = [{"text": f"{wrong}. Use the tool again."}]
        used = [part["toolUse"]["toolUseId"] for part in self.last["content"] if "toolUse" in part]
        results = [{"toolResult": {"toolUseId": one, "status": "error", "content": told}} for one in used]
        return [self.last, {"role": "user", "content": results or told}]
