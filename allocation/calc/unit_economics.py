"""Unit economics: calculators of margins, seats, agents, media and own capacity (allocation.calc.claims_calculators)."""

from allocation.calc.assumptions import SHARE
from allocation.calc.claims_calculators import (
    SECONDS,
    TIMES,
    TOKENS,
    USD,
    USD_HOUR,
    USD_M,
    USD_MONTH,
    USD_QUERY,
    Calculator,
    Input,
    Output,
)

GROUP, MEDIA, CAPACITY = "Unit economics", "Images, audio, video", "Own hardware"
_PRICE = Input("price", "Price of a customer or seat", USD_MONTH, "subscription_price", positive=True)
_QUERIES = Input("queries", "Queries of a customer", "queries/month", "queries_per_month")
_COST = Input("query_cost", "Cost of a query", USD_QUERY, "query_cost", positive=True)
_DAYS = Input("days", "Days of a month", "days", "days_per_month")
_GPU_PRICE = Input("gpu_price", "Price of a GPU", USD_HOUR, "gpu_price.h100", positive=True)
_FLAT = (
    Input("input_tokens", "Input of a query", TOKENS, "query_tokens.input"),
    Input("output_tokens", "Output of a query", TOKENS, "query_tokens.output"),
    Input("input_price", "Price of input", USD_M, "token_price.input"),
    Input("output_price", "Price of output", USD_M, "token_price.output", positive=True),
)

CALCULATORS: tuple[Calculator, ...] = (
    Calculator(
        "break_even_queries", "Margin of a customer", GROUP,
        "A flat price against what the queries cost, and the queries at which nothing is left.",
        (_PRICE, _COST, _QUERIES),
        (
            Output("break_even", "Queries that the price pays", "queries/month", "price / query_cost"),
            Output("cost", "Cost of the queries", USD_MONTH, "queries * query_cost"),
            Output("margin", "Margin", USD_MONTH, "price - cost"),
            Output("margin_share", "Margin, of the price", "share", "margin / price"),
        ),
    ),
    Calculator(
        "seat_or_tokens", "Flat seat or by token", GROUP,
        "What a person's queries cost by the token, against a seat at a flat rate.",
        (_PRICE, _QUERIES, *_FLAT),
        (
            Output(
                "query", "A query by token", USD_QUERY,
                "(input_tokens * input_price + output_tokens * output_price) / million",
            ),
            Output("by_token", "All of them by token", USD_MONTH, "query * queries"),
            Output("saved", "What the seat saves", USD_MONTH, "by_token - price"),
            Output(
                "break_even", "Queries that are worth a seat", "queries/month", "price / query", "query",
                "by the token these queries cost nothing: a seat never pays",
            ),
        ),
    ),
    Calculator(
        "fixed_variable", "Fixed and variable cost", GROUP,
        "Fixed cost is spread over the volume; what is left of each query after its own cost has to pay it.",
        (
            Input("fixed", "Fixed cost", USD_MONTH, "fixed_cost"),
            Input("variable", "Variable cost of a query", USD_QUERY, "query_variable_cost"),
            Input("revenue", "Revenue of a query", USD_QUERY, "query_revenue"),
            Input("queries", "Queries", "queries/month", "service_queries", positive=True),
        ),
        (
            Output("total", "Cost in all", USD_MONTH, "fixed + variable * queries"),
            Output("average", "Cost of a query, loaded", USD_QUERY, "total / queries"),
            Output(
                "fixed_share", "Fixed, of the cost", "share", "fixed / total", "total", "there is no cost at all"
            ),
            Output("margin", "Margin at this volume", USD_MONTH, "revenue * queries - total"),
            Output(
                "break_even", "Queries that pay the fixed cost", "queries/month", "fixed / (revenue - variable)",
                "revenue - variable", "each query costs what it earns, or more: no volume breaks even",
            ),
        ),
    ),
    Calculator(
        "agent_tasks", "Cost of agents", GROUP, "Calls of a task, at a price a call, times tasks: what an agent comes to.",
        (
            Input("calls", "Calls of a task", "calls/task", "calls_per_task.complex"),
            Input("call_cost", "Cost of a call", "USD/call", "call_cost"),
            Input("tasks", "Tasks a day", "tasks/day", "tasks_per_day"),
            _DAYS,
        ),
        (
            Output("task", "Cost of a task", "USD/task", "calls * call_cost"),
            Output("day", "Cost of a day", "USD/day", "task * tasks"),
            Output("month", "Cost of a month", USD_MONTH, "day * days"),
        ),
    ),
    Calculator(
        "value_per_dollar", "Value of a dollar", GROUP,
        "How many times better for how many times the cost. Below 1 the dearer way is a loss, task by task.",
        (
            Input("gain", "Better or faster", TIMES, "value_gain", positive=True),
            Input("cost", "Dearer", TIMES, "value_cost", positive=True),
        ),
        (Output("value", "Value of a dollar", "USD/USD", "gain / cost"),),
    ),
    Calculator(
        "cost_per_quality", "Cost of quality", GROUP,
        "Cost and quality of two ways beside each other; never the ratio alone. Quality is on one scale from 0 up.",
        (
            Input("cost_before", "Cost, first way", "any", "evidence.gpt5_low_cost", positive=True),
            Input("quality_before", "Quality, first way", "any", "evidence.gpt5_low_quality", positive=True),
            Input("cost_after", "Cost, second way", "any", "evidence.gpt5_high_cost", positive=True),
            Input("quality_after", "Quality, second way", "any", "evidence.gpt5_high_quality", positive=True),
        ),
        (
            Output("cost", "Cost, second over first", TIMES, "cost_after / cost_before"),
            Output("quality", "Quality, second over first", TIMES, "quality_after / quality_before"),
            Output("points", "Quality, difference", "any", "quality_after - quality_before"),
            Output("per_quality", "Cost of a unit of quality, second over first", TIMES, "cost / quality"),
            Output("change", "Change of it", "share", "per_quality - 1"),
        ),
    ),
    Calculator(
        "media_cost", "Cost of video, audio and images", MEDIA,
        "Seconds of video and minutes of audio have prices of their own; images are tokens.",
        (
            Input("video_seconds", "Video", SECONDS, "video_seconds"),
            Input("video_price", "Price of video", "USD/second", "video_price"),
            Input("audio_minutes", "Audio", "minutes", "audio_minutes"),
            Input("audio_price", "Price of audio", "USD/minute", "audio_price"),
            Input("images", "Images", "images", "images"),
            Input("image_tokens", "Tokens of an image", TOKENS, "image_tokens"),
            Input("token_price", "Price of image tokens", USD_M, "token_price.input"),
        ),
        (
            Output("video", "Video", USD, "video_seconds * video_price"),
            Output("audio", "Audio", USD, "audio_minutes * audio_price"),
            Output("image", "Images", USD, "images * image_tokens * token_price / million"),
            Output("total", "In all", USD, "video + audio + image"),
        ),
    ),
    Calculator(
        "video_tokens", "Frames and tokens of a video", MEDIA,
        "A video is as many images as it has frames, if nothing joins them.",
        (
            Input("seconds", "Length", SECONDS, "video_seconds"),
            Input("frame_rate", "Frames a second", "frames/s", "video_frame_rate"),
            Input("frame_tokens", "Tokens of a frame", TOKENS, "image_tokens"),
        ),
        (
            Output("frames", "Frames", "frames", "seconds * frame_rate"),
            Output("tokens", "Tokens", TOKENS, "frames * frame_tokens"),
        ),
    ),
    Calculator(
        "video_gpu_cost", "GPU cost of a second of video", MEDIA, "What a second of made video costs in GPU time alone.",
        (_GPU_PRICE, Input("speed", "Video made in a GPU minute", SECONDS, "video_seconds_per_gpu_minute", positive=True)),
        (Output("cost", "Cost of a second", "USD/second", "gpu_price / seconds_an_hour * seconds_a_minute / speed"),),
    ),
    Calculator(
        "own_capacity", "Own capacity: the next token is free", CAPACITY,
        "Capacity is paid for whether it is used or not: until it is full the next token costs energy alone, and what a "
        "token costs on average hangs on how much is used.",
        (
            Input("gpus", "GPUs", "GPUs", "own_gpus", positive=True), _GPU_PRICE,
            Input("hours", "Hours of a month", "hours", "hours_per_month", positive=True),
            Input("speed", "Speed of a GPU", "tokens/s", "gpu_speed", positive=True),
            Input("utilisation", "Utilisation", SHARE, "self_host_utilisation", positive=True),
            Input("power", "Power of a GPU, all in", "kW", "gpu_power"),
            Input("electricity", "Electricity", "USD/kWh", "electricity_price"),
        ),
        (
            Output("month", "Cost of the capacity", USD_MONTH, "gpus * gpu_price * hours"),
            Output("capacity", "Capacity", "tokens/month", "gpus * speed * seconds_an_hour * hours"),
            Output("used", "Tokens made", "tokens/month", "capacity * utilisation"),
            Output("average", "Cost on average", USD_M, "month / used * million"),
            Output("full", "Cost on average when full", USD_M, "month / capacity * million"),
            Output(
                "marginal", "Energy of the next ones", USD_M,
                "power * electricity / (speed * seconds_an_hour) * million",
            ),
            Output("idle", "Paid for and idle", USD_MONTH, "month - month * utilisation"),
        ),
    ),
)  # fmt: skip
