"""The official Python client against a gateway: one JSON object of results on stdout.

usage: anthropic_client.py BASE_URL TOKEN PROHIBITED_VALUE
"""

import json
import sys

import anthropic

base_url, token, prohibited = sys.argv[1:]
client = anthropic.Anthropic(base_url=base_url, api_key=token)
PROMPT = "山田太郎さんに、明日の会議の案内を送ってください。"
TOOLS = [
    {
        "name": "get_weather",
        "description": "天気を調べる",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
]


def ask(model, content=PROMPT, **more):
    return {
        "model": f"claude-{model}",
        "max_tokens": 256,
        "messages": [{"role": "user", "content": content}],
        **more,
    }


def shown(message):
    text = "".join(block.text for block in message.content if block.type == "text")
    tools = [
        {"id": b.id, "name": b.name, "input": b.input} for b in message.content if b.type == "tool_use"
    ]
    return {
        "text": text,
        "tools": tools,
        "stop_reason": message.stop_reason,
        "output_tokens": message.usage.output_tokens,
    }


def create():
    return shown(client.messages.create(**ask("plain")))


def create_with_auth_token():
    other = anthropic.Anthropic(base_url=base_url, auth_token=token, api_key=None)
    return shown(other.messages.create(**ask("plain")))


def stream():
    with client.messages.stream(**ask("plain")) as stream:
        parts = list(stream.text_stream)
        return {**shown(stream.get_final_message()), "parts": len(parts), "joined": "".join(parts)}


def raw_stream():
    return [event.type for event in client.messages.create(**ask("plain"), stream=True)]


def tool_use():
    asked = ask("tool", tools=TOOLS)
    first = client.messages.create(**asked)
    return {"first": shown(first), "second": shown(tool_result(asked, first))}


def tool_use_streamed():
    asked = ask("tool", tools=TOOLS)
    with client.messages.stream(**asked) as stream:
        return {"first": shown(stream.get_final_message())}


def tool_result(asked, first):
    use = next(block for block in first.content if block.type == "tool_use")
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "晴れ、21度"}
    messages = [
        *asked["messages"],
        {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]},
        {"role": "user", "content": [result]},
    ]
    return client.messages.create(**{**asked, "messages": messages})


def count_tokens():
    asked = ask("plain")
    del asked["max_tokens"]
    return client.messages.count_tokens(**asked).input_tokens


def beta():
    return shown(client.beta.messages.create(**ask("plain"), betas=["context-1m-2025-08-07"]))


def models():
    return [model.id for model in client.models.list(limit=1000)]


def blocked():
    return client.messages.create(**ask("plain", f"鍵は {prohibited} です"))


def blocked_stream():
    with client.messages.stream(**ask("plain", f"鍵は {prohibited} です")) as stream:
        return stream.get_final_text()


def wrong_token():
    other = anthropic.Anthropic(base_url=base_url, api_key="dct_wrong")
    return other.messages.create(**ask("plain"))


def error(model, **more):
    return lambda: client.with_options(max_retries=0).messages.create(**ask(model), **more)


def broken_stream():
    with client.with_options(max_retries=0).messages.stream(**ask("break")) as stream:
        return stream.get_final_text()


def failing_stream():
    with client.with_options(max_retries=0).messages.stream(**ask("fails")) as stream:
        return stream.get_final_text()


def run(scenario):
    try:
        return {"ok": scenario()}
    except anthropic.APIStatusError as e:
        body = e.body if isinstance(e.body, dict) else {}
        inner = body.get("error") or {}
        return {
            "raised": type(e).__name__,
            "status": e.status_code,
            "kind": inner.get("type"),
            "message": inner.get("message"),
            "request_id": e.request_id,
        }
    except Exception as e:  # noqa: BLE001: which one it is, is the result
        return {"raised": type(e).__name__, "message": str(e)}


scenarios = {
    "create": create,
    "create_with_auth_token": create_with_auth_token,
    "stream": stream,
    "raw_stream": raw_stream,
    "tool_use": tool_use,
    "tool_use_streamed": tool_use_streamed,
    "count_tokens": count_tokens,
    "beta": beta,
    "models": models,
    "blocked": blocked,
    "blocked_stream": blocked_stream,
    "wrong_token": wrong_token,
    "error_400": error("400"),
    "error_401": error("401"),
    "error_429": error("429"),
    "error_529": error("529"),
    "error_529_stream": error("529", stream=True),
    "broken": error("break"),
    "broken_stream": broken_stream,
    "failing_stream": failing_stream,
}
print(json.dumps({name: run(scenario) for name, scenario in scenarios.items()}, ensure_ascii=False))
