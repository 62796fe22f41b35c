"""S10: does an event cost more where 10,000 subscriptions that do not match stand beside it?"""

from rounds import Question, Timed, loop

from onex_events import Event, EventBus


class Mine(Event):
    type: str = "mine"


def with_others(count: int) -> Timed:
    """``emit_sync`` to one handler, beside ``count`` subscriptions to other things."""

    def handler(event):
        return None

    others = [type(f"Other{i}", (Event,), {"__module__": __name__}) for i in range(min(count, 50))]
    bus = EventBus()
    bus.subscribe(handler, Mine)
    for i in range(count):
        if i % 2:
            bus.subscribe(handler, others[i % len(others)])
        else:
            bus.subscribe(handler, pattern=f"other\\.{i}")
    return loop("emit(event)", emit=bus.emit_sync, event=Mine())


def main():
    question = Question("S10", "dispatch beside 10,000 subscriptions that do not match")
    question.measure({"beside 10": with_others(10), "beside 10,000": with_others(10_000)})
    question.at_most(
        "beside 10,000 / beside 10",
        1.1,
        lambda many, few: many / few,
        "beside 10,000",
        "beside 10",
    )
    question.answer()


if __name__ == "__main__":
    main()
