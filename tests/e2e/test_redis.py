"""Redis down, slow, refusing, lying: an update never waits for it longer than one short bounded time."""

import json
import os
import time

import pytest

import events
from redis_peers import OK, FakeRedis, HonestAnswers, RedisServer

SLACK_S = 3.0  # the bounded wait is 300 ms; the rest is for a busy machine


def without_redis(world):
    world.redis.stop()
    world.peers.remove(world.redis)


def install_to_exit(world, supervisor):
    """Runs the update and returns the seconds between the end of the install and exit 42."""
    world.release("1.1.0", {"001_first.py": world.python_migration("1.1.0/001_first")})
    world.announce("1.1.0")
    supervisor.wait_pair_code()
    ended = time.time()
    assert supervisor.pair_codes[0] == 42
    assert world.installed == "1.1.0"
    return ended - os.stat(os.path.join(world.prefix, "VERSION")).st_mtime


@pytest.fixture
def fake(world):
    """Starts a lying Redis and a daemon whose monitor talks to it."""
    def make(behave=None, **more):
        peer = world.peer(FakeRedis(world.root, behave or HonestAnswers(), **more))
        world.configure("redis.url=unix://" + peer.path)
        return peer, world.start(restarts=False)
    return make


def test_the_key_the_channel_and_the_stream_tell_the_same(world):
    subscriber = world.redis.client()
    subscriber.call("SUBSCRIBE", world.key)
    world.release("1.1.0", {"001_first.py": world.python_migration("1.1.0/001_first")})
    world.start()
    world.update("1.1.0")
    published = []
    while not published or published[-1]["status"] != "deployed":
        kind, channel, text = subscriber.answer()
        assert (kind, channel) == ("message", world.key)
        published.append(json.loads(text))
    world.read_stream(1)
    assert published == world.seen
    assert published[-1] == world.status()


def test_one_status_is_one_transaction(fake, world):
    peer, supervisor = fake()
    install_to_exit(world, supervisor)
    peer.wait(lambda p: any("restarting" in str(c) for c in p.commands), "restarting is told")
    verbs = [c[0].upper() for c in peer.commands]
    first = verbs.index("MULTI")
    assert verbs[first:first + 5] == ["MULTI", "SET", "PUBLISH", "XADD", "EXEC"]
    command = peer.commands[first + 3]
    assert command[1] == world.stream and command[2:5] == ["MAXLEN", "~", "1000"] and command[5:7] == ["*", "status"]
    assert peer.commands[first + 1][1] == peer.commands[first + 2][1] == world.key
    assert len(peer.commands[first + 1]) == 3, "SET without any expiry"


def test_the_stream_is_capped(world):
    for i in range(1500):
        world.reading.call("XADD", world.stream, "*", "status", json.dumps({"status": "filler"}))
    world.release("1.1.0")
    world.start()
    world.update("1.1.0")
    assert world.reading.call("XLEN", world.stream) <= 1200


def test_redis_over_tcp_with_a_user_a_password_and_a_database(world):
    redis = world.peer(RedisServer(world._dir("tcp"), "--requirepass", "unused", "--user", "mo", "on", ">s3cret",
                                   "~system_status:*", "~{system_status:*", "&*", "+@all", tcp=True).start())
    secret = os.path.join(world.root, "password")
    with open(secret, "w") as f:
        f.write("s3cret\n")
    os.chmod(secret, 0o600)
    world.configure(f"redis.url=redis://mo@127.0.0.1:{redis.port}/3", "redis.password_file=" + secret)
    world.reading = redis.client("unused")
    world.reading.call("SELECT", 3)
    world.release("1.1.0")
    world.start()
    world.update("1.1.0")
    assert world.status()["status"] == "deployed"
    assert "s3cret" not in world.text_of_log() + world.run_logs()


def test_redis_by_name_over_tcp(world):
    redis = world.peer(RedisServer(world._dir("tcp"), tcp=True).start())
    world.configure(f"redis.url=redis://localhost:{redis.port}")
    world.reading = redis.client()
    world.release("1.1.0")
    world.start()
    world.update("1.1.0")


def test_redis_with_a_password_on_a_unix_socket(world):
    redis = world.peer(RedisServer(world._dir("auth"), "--requirepass", "p w").start())
    secret = os.path.join(world.root, "password")
    with open(secret, "w") as f:
        f.write("p w\n")
    os.chmod(secret, 0o600)
    world.configure("redis.url=unix://" + redis.path, "redis.password_file=" + secret)
    world.reading = redis.client("p w")
    world.release("1.1.0")
    world.start()
    world.update("1.1.0")


def test_a_password_file_that_others_may_read_is_told(world):
    secret = os.path.join(world.root, "password")
    with open(secret, "w") as f:
        f.write("x\n")
    os.chmod(secret, 0o644)
    world.configure("redis.password_file=" + secret)
    supervisor = world.start()
    events.wait_until(lambda: "password" in world.text_of_log() or supervisor.pair_codes, [], "a word")
    assert secret in world.text_of_log()


def test_a_redis_that_is_down_all_the_time_delays_nothing_and_is_logged_once(world):
    without_redis(world)
    supervisor = world.start(restarts=False)
    assert install_to_exit(world, supervisor) < SLACK_S
    told = [line for line in world.text_of_log().splitlines() if "edis" in line]
    assert 1 <= len(told) <= 2, told
    assert world.read_status_file()["status"] == "restarting"


def test_a_redis_that_comes_up_later_gets_the_latest_state(world):
    without_redis(world)
    gate = world.gate("migrate")
    world.release("1.1.0", {"001_first.py": world.python_migration("1.1.0/001_first", body=gate.python)})
    supervisor = world.start()
    world.announce("1.1.0")
    gate.wait()
    world.redis = world.peer(RedisServer(world.root).start())
    world.reading = world.redis.client()
    assert world.wait_status("migrating")["step"] == "migrate"
    gate.open()
    supervisor.wait_restart()
    world.wait_status("deployed")


def test_a_redis_killed_midway_and_started_again_gets_the_latest_state(world):
    gate, install = world.gate("migrate"), world.gate("install")
    world.release("1.1.0", {"001_first.py": world.python_migration("1.1.0/001_first", body=gate.python)},
                  files={"Makefile": world.makefile(before=install.shell)})
    supervisor = world.start()
    world.announce("1.1.0")
    gate.wait()
    world.wait_status("migrating")
    world.redis.stop()
    gate.open()
    install.wait()
    world.redis.start()
    world.reading, world.cursor, world.seen = world.redis.client(), "0-0", []
    world.wait_status("installing")
    install.open()
    supervisor.wait_restart()
    world.wait_status("deployed")


def test_a_redis_killed_midway_for_good_delays_nothing(world):
    gate = world.gate("migrate")
    world.release("1.1.0", {"001_first.py": world.python_migration("1.1.0/001_first", body=gate.python)})
    supervisor = world.start(restarts=False)
    world.announce("1.1.0")
    gate.wait()
    without_redis(world)
    gate.open()
    assert supervisor.wait_pair_code() == 42


def answers(data):
    return lambda connection, words: data


@pytest.mark.parametrize("name, data", {
    "NOAUTH": b"-NOAUTH Authentication required.\r\n", "WRONGPASS": b"-WRONGPASS invalid\r\n",
    "NOPERM": b"-NOPERM no permissions\r\n", "READONLY": b"-READONLY You can't write\r\n",
    "LOADING": b"-LOADING Redis is loading\r\n", "OOM": b"-OOM command not allowed\r\n",
    "MISCONF": b"-MISCONF snapshots\r\n", "MOVED": b"-MOVED 1 127.0.0.1:1\r\n",
    "rubbish": b"HTTP/1.1 400 Bad Request\r\n\r\n", "bytes": bytes(range(256)), "huge bulk": b"$2147483648\r\nx",
    "huge array": b"*2147483647\r\n", "deep array": b"*1\r\n" * 500, "negative": b"$-5\r\n", "flood": b"+OK\r\n" * 20000,
    "null array": b"*-1\r\n", "wrong types": b":5\r\n",
}.items(), ids=lambda v: v if isinstance(v, str) else "")
def test_a_redis_that_answers_badly_delays_nothing(fake, world, name, data):
    peer, supervisor = fake(answers(data))
    assert install_to_exit(world, supervisor) < SLACK_S
    told = [line for line in world.text_of_log().splitlines() if "edis" in line]
    at_least = 0 if name == "huge bulk" else 1  # an answer that is never complete is silence
    assert at_least <= len(told) <= 12, f"{len(told)} lines"


def test_a_refused_transaction_is_logged(fake, world):
    class Refusing(HonestAnswers):
        def __call__(self, connection, words):
            return b"-EXECABORT no\r\n" if words[0].upper() == "EXEC" else super().__call__(connection, words)
    peer, supervisor = fake(Refusing())
    assert install_to_exit(world, supervisor) < SLACK_S
    assert "EXECABORT" in world.text_of_log()


def test_a_redis_that_refuses_the_password_is_logged_without_it(fake, world):
    secret = os.path.join(world.root, "password")
    with open(secret, "w") as f:
        f.write("hunter2\n")
    os.chmod(secret, 0o600)
    world.configure("redis.password_file=" + secret)
    peer, supervisor = fake(lambda c, words: b"-WRONGPASS bad hunter2\r\n" if words[0].upper() == "AUTH" else OK)
    assert install_to_exit(world, supervisor) < SLACK_S
    assert "WRONGPASS" in world.text_of_log()
    assert peer.commands[0][:2] == ["AUTH", "hunter2"]


def test_a_silent_redis_delays_nothing(fake, world):
    peer, supervisor = fake(answers(b""))
    assert install_to_exit(world, supervisor) < SLACK_S


def test_a_redis_that_never_reads_delays_nothing(fake, world):
    peer, supervisor = fake(receive=False)
    assert install_to_exit(world, supervisor) < SLACK_S


def test_a_redis_that_answers_one_byte_at_a_time_delays_nothing(fake, world):
    peer, supervisor = fake(drip_s=0.2)
    assert install_to_exit(world, supervisor) < SLACK_S


def test_a_redis_that_closes_each_connection_delays_nothing(fake, world):
    peer, supervisor = fake(on_accept=lambda connection: None)
    assert install_to_exit(world, supervisor) < SLACK_S
    assert peer.accepted < 30, "it is not tried in a tight loop"


def test_a_redis_that_closes_in_the_middle_of_an_answer_delays_nothing(fake, world):
    def behave(connection, words):
        connection.sendall(b"+O")
        return None
    peer, supervisor = fake(behave)
    assert install_to_exit(world, supervisor) < SLACK_S


def test_a_redis_that_speaks_first_delays_nothing(fake, world):
    peer, supervisor = fake(on_accept=lambda connection: b"+HELLO\r\n+HELLO\r\n")
    assert install_to_exit(world, supervisor) < SLACK_S


def test_a_failure_is_kept_for_a_redis_that_comes_later(world):
    without_redis(world)
    world.release("1.1.0", files={"Makefile": "install:\n\tfalse\n"})
    world.start()
    world.announce("1.1.0")
    world.wait_status_file("update_failed")
    world.redis = world.peer(RedisServer(world.root).start())
    world.reading = world.redis.client()
    assert world.wait_status("update_failed")["reason"] == "install_failed"
    assert world.status()["status"] == "update_failed"
