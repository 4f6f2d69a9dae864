"""How long a run waits after responses with status 429, and while the service is away."""

from .scheduler_scripts import Run, each_script

RATE_LIMIT = """
without a rate limit nobody waits
    pass a; take b; due in = 0
a pause is as long as the service says, or the policy
    go a; +1; 429/30 a; due in = 30
    go a; 429 a; due in = 0.75
then requests are spaced as they were accepted until then, and the spacing halves with each
    pass a b c d e f g h i j; +10; go k; take l m; 429/50 k; +50; send k; due in = 6; +6; \
send l; due in = 3
    pass a b c d e f g h i j; +10; go k; take l m; 429/50 k; +50; send k; +940; send l; due in = 3
no spacing is longer than the pause
    pass a; +1000; go b; take c; +1; 429/20 b; +20; send b; due in = 21
a spacing that is short halves in two seconds, or in four latencies
    pass a b c d e f g h i j; go k; take l m; 429/9 k; +9; send k; +0.9; send l; due in = 0.636396
    pass a b c d e f g h i j; go k; take l m; +1; 429/8 k; +8; send k; +0.9; send l; \
due in = 0.770036
the next 429 doubles the spacing
    pass a b c d e f g h i j; +10; go k; take l m n; 429/50 k; +50; send k; ok k; +6; send l; \
ok l; +3; send m; 429/10 m; +10; send m; due in = 3
which of many requests were accepted does not change the spacing
    concurrency 18 | go a b c d e f g h i j k l m n o p q r; 429/60 a b c d e f g h; \
ok i j k l m n o p q r; +60; send a; due in = 6
    concurrency 18 | go a b c d e f g h i j k l m n o p q r; ok a b c d; 429/60 k l m n o p q r; \
ok e f g h i j; +60; send k; due in = 6
after two pauses in a row half-open probes go two latencies apart, until one is accepted
    go a; 429/1 a; +1; send a; 429/0 a; take b; +9; send a; due in = 0.1
    go a; 429/1 a; +1; send a; +0.5; 429/0 a; take b; +9; send a; due in = 1
    go a; 429/1 a; +1; send a; +0.5; 429/0 a; take b; +9; send a; ok a; due in = 0
    pass a b c d e f g h i j; +10; go k; take l; 429/50 k; +50; send k; +0.5; 429/0 k; +5.5; \
send k; due in = 6
pauses that are too short grow as the policy's do
    go a; 429 a; +0.75; send a; 429 a; due in = 1.5; +1.5; send a; 429 a; due in = 3; +3; send a; \
429 a; due in = 6; +6; send a; 429 a; due in = 6
    go a; 429/1 a; +1; send a; 429/0 a; due in = 1.5
    go a; 429/1 a; +1; send a; 429/30 a; due in = 30
a pause was long enough if another request was accepted, or sent before the one that was not
    go a; take b; 429/1 a; +1; send a b; ok a; 429/0 b; due in = 0
    go a; take b; 429/1 a; +1; send a b; ok b; 429/0 a; due in = 0
    go a; take b c; 429/1 a; +1; send a b c; 429/1 b; due in = 1
a request from before the pause that is accepted late says nothing of it
    go a b; take c; 429/1 a; ok b; +1; send a; 429/0 a; due in = 1.5
one that gets a 429 late tells nothing either, but perhaps a longer wait
    go a b; 429/30 a; +1; 429/40 b; due in = 40
    go a b; 429/30 a; +1; 429/10 b; due in = 29
    go a b; 429/0 a; 429 b; due in = 0
"""

OUTAGE = """
an outage takes two ids that fail
    max_attempts 2 | go a; 503 a; +1; send a; 503 a; held by = nothing
    go a b; 503 a; held by = nothing; +1; 503 b; held by = outage; due in = 0.75
all that was in flight at the first failure must fail
    go a b; 503 a; go slow; 503 b; held by = nothing; 503 slow; held by = outage
    go a b; 503 a; +0.1; go slow; 503 b; held by = outage
unless an id would be given up
    max_attempts 1 | go slow a b; 503 a b; held by = outage
a response refutes the failures of requests that were sent no later
    max_attempts 1 | go old a b; 503 a b; ok old; held by = nothing
    max_attempts 1 | go old; +1; go a b; 503 a b; ok old; held by = outage
    go a b c; ok c; 503 a b; held by = nothing
    go old; +1; go a b c; ok c old; 503 a b; held by = nothing
    pass c; +1; go a b; 503 a b; held by = outage
the next half-open probe goes after the backoff, or when the service says
    go a b; 503 a; 503/60 b; due in = 60
    max_attempts 1 | go c a b; 503 a b; +0.5; 503 c; take d; due in = 0.25
    go a b; 503 a b; due in = 0.75; +0.75; send b; 503 b; due in = 1.5; +1.5; send a; 503 a; \
due in = 3; +3; send b; 503 b; due in = 6; +6; send a; 503 a; due in = 6
    first_pause 0 | go a b; 503 a b; due in = 0.1
the next outage begins anew
    go a b; 503 a; 503/60 b; take c; +60; send c; ok c; send b a; 503 a b; due in = 0.75
no outage lasts for longer than the deadline
    go a b; 503 a; +10; 503/3600 b; due in = 230; pause = outage 230 s, 2 wait, 1, b
"""


@each_script(RATE_LIMIT + OUTAGE)
def test_a_run(script: str) -> None:
    Run(script)
