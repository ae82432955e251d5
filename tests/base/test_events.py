from threading import Thread

from pocketbert.base.events import StageReused, emit, listening


def test_every_listener_of_the_context_is_told_and_no_other():
    outer, inner = [], []
    emit(StageReused("before"))
    with listening(outer.append):
        with listening(inner.append):
            emit(StageReused("both"))
        emit(StageReused("one"))
    emit(StageReused("after"))
    assert [event.stage for event in outer] == ["both", "one"]
    assert [event.stage for event in inner] == ["both"]


def test_listeners_of_two_threads_do_not_mix():
    def work(name, heard):
        with listening(heard.append):
            for _ in range(200):
                emit(StageReused(name))

    heard = {"a": [], "b": []}
    threads = [Thread(target=work, args=item) for item in heard.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, events in heard.items():
        assert {event.stage for event in events} == {name}
        assert len(events) == 200
