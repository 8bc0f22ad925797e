"""One call, and who made it. Needs OPENAI_API_KEY (or OPENAI_BASE_URL and any key, for a server of your own).

opentelemetry-instrument --traces_exporter console --metrics_exporter console --logs_exporter none python quickstart.py
"""

import openai

import otel_cost

with otel_cost.labels(team="search", session="quickstart"):
    answer = openai.OpenAI().chat.completions.create(
        model="gpt-4.1-mini",
        messages=[{"role": "user", "content": "What does a token cost?"}],
        max_completion_tokens=50,
    )
print(answer.choices[0].message.content)
