"""OpenAI's official Python client against a gateway: one JSON object of results on stdout.

usage: openai_client.py BASE_URL TOKEN PROHIBITED_VALUE
"""

import json
import sys

import openai

base_url, token, prohibited = sys.argv[1:]
client = openai.OpenAI(base_url=base_url, api_key=token)
PROMPT = "山田太郎さんに、明日の会議の案内を送ってください。"
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
FUNCTION = {"name": "get_weather", "description": "天気を調べる", "parameters": PARAMETERS}


def chat_with(model, content=PROMPT, client=client, **more):
    messages = [{"role": "system", "content": "丁寧に。"}, {"role": "user", "content": content}]
    return client.chat.completions.create(model=f"gpt-{model}", messages=messages, **more)


def respond(model, content=PROMPT, client=client, **more):
    return client.responses.create(model=f"gpt-{model}", input=content, instructions="丁寧に。", **more)


def chat():
    answer = chat_with("plain")
    return {"text": answer.choices[0].message.content, "output_tokens": answer.usage.completion_tokens}


def chat_stream():
    text, tokens = "", 0
    for chunk in chat_with("plain", stream=True, stream_options={"include_usage": True}):
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
        tokens = chunk.usage.completion_tokens if chunk.usage else tokens
    return {"text": text, "output_tokens": tokens}


def chat_tool():
    tools = [{"type": "function", "function": FUNCTION}]
    asked = chat_with("tool", tools=tools).choices[0].message
    call = asked.tool_calls[0]
    result = {"role": "tool", "tool_call_id": call.id, "content": "晴れ、21度"}
    messages = [{"role": "user", "content": PROMPT}, asked.model_dump(exclude_none=True), result]
    second = client.chat.completions.create(model="gpt-tool", messages=messages, tools=tools)
    arguments = json.loads(call.function.arguments)
    return {
        "tool": {"name": call.function.name, "arguments": arguments},
        "second": second.choices[0].message.content,
    }


def shown(response):
    return {"text": response.output_text, "output_tokens": response.usage.output_tokens}


def response():
    return shown(respond("plain"))


def response_stream():
    with client.responses.stream(model="gpt-plain", input=PROMPT) as stream:
        joined = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = shown(stream.get_final_response())
        assert joined == final["text"], joined
        return final


TOOLS = [{"type": "function", "strict": False, **FUNCTION}]


def answer_tool(asked):
    call = next(item for item in asked.output if item.type == "function_call")
    items = [
        {"role": "user", "content": PROMPT},
        call.model_dump(exclude_none=True),
        {"type": "function_call_output", "call_id": call.call_id, "output": "晴れ、21度"},
    ]
    return {
        "tool": {"name": call.name, "arguments": json.loads(call.arguments)},
        "second": client.responses.create(model="gpt-tool", input=items, tools=TOOLS).output_text,
    }


def response_tool():
    return answer_tool(respond("tool", tools=TOOLS))


def response_tool_stream():
    with client.responses.stream(model="gpt-tool", input=PROMPT, tools=TOOLS) as stream:
        return answer_tool(stream.get_final_response())


def models():
    return [model.id for model in client.models.list()]


SECRET = f"鍵は {prohibited} です"
once = client.with_options(max_retries=0)


def streamed(model):
    return lambda: list(chat_with(model, client=once, stream=True))


def run(scenario):
    try:
        return {"ok": scenario()}
    except openai.APIStatusError as e:
        return {
            "raised": type(e).__name__,
            "status": e.status_code,
            "message": e.message,
            "code": e.code,
            "request_id": e.request_id,
        }
    except Exception as e:  # noqa: BLE001: which one it is, is the result
        return {"raised": type(e).__name__, "message": str(e)}


scenarios = {
    "chat": chat,
    "chat_stream": chat_stream,
    "chat_tool": chat_tool,
    "response": response,
    "response_stream": response_stream,
    "response_tool": response_tool,
    "response_tool_stream": response_tool_stream,
    "models": models,
    "chat_blocked": lambda: chat_with("plain", SECRET),
    "chat_blocked_stream": lambda: chat_with("plain", SECRET, stream=True),
    "response_blocked": lambda: respond("plain", SECRET),
    "wrong_token": lambda: chat_with("plain", client=openai.OpenAI(base_url=base_url, api_key="dct_wrong")),
    "background": lambda: respond("plain", background=True),
    "embeddings": lambda: client.embeddings.create(model="e", input="text", encoding_format="float"),
    "error_400": lambda: chat_with("400", client=once),
    "error_429": lambda: respond("429", client=once),
    "error_500": lambda: chat_with("500", client=once, stream=True),
    "broken": lambda: respond("break", client=once),
    "broken_stream": streamed("break"),
    "failing_stream": streamed("fails"),
}
print(json.dumps({name: run(scenario) for name, scenario in scenarios.items()}, ensure_ascii=False))
