/*
 * moult.pml - signal, watcher, monitor, executor, step, daemon, supervisor, kills and a power cut.
 *
 * Promises 1 to 3 of SECURITY.md ("Reliability"), for every order of events within the bounds that
 * run.py gives: SIGNALS announced, KILLS of moult's processes, DKILLS of the daemon, FAILS of steps,
 * POWER cuts. Each WHEN is one transition: nothing else happens inside it, anything may happen
 * between two. Behind each stand the functions that it follows, and the cells of the rule tables;
 * check_names.py fails when one of them is gone, and when a cell or a task of the code has no
 * transition here.
 *
 * What is on disk is kept twice: as the page cache has it, which survives kills, and as the disk has
 * it, which survives power cuts. A journal line is written, then synced. Of everything that is not
 * synced a power cut keeps any part; of the signal's directory it keeps the state of some earlier
 * moment since its last sync. A watcher syncs the directory itself: what it has not made durable it
 * has not announced.
 *
 * Not here: Redis (never part of a decision), times (a timer may fire whenever it is set), contents
 * of files, a lock that is waited for in vain (that start ends with 75 and is made again), failing
 * system calls of the executor's own but finish_sync's, a retry by hand, external migration runners.
 *
 * Tasks of child/plan.c that change nothing which outlives them are one transition, prepare:
 *   tasks: PREFLIGHT/ground PREFLIGHT/loosen PREFLIGHT/sweep PREFLIGHT/format PREFLIGHT/tree
 *   tasks: PREFLIGHT/keep FETCH/fetch FETCH/ask FETCH/look VERIFY/resolve VERIFY/object VERIFY/keys
 *   tasks: VERIFY/signature VERIFY/sweep VERIFY/verdict VERIFY/content VERIFY/forward
 *   tasks: VERIFY/announced VERIFY/version
 * The others:
 *   tasks: CHECKOUT/checkout CHECKOUT/look MIGRATE/head MIGRATE/gap MIGRATE/migrations MIGRATE/save
 *   tasks: INSTALL/head INSTALL/install FINISH/sync FINISH/tree FINISH/commit
 *
 * Cells that have no transition, because they only make a process end in a way that a kill covers:
 *   left out: monitor STARTING DEADLINE, GREETED DEADLINE, ASKED DEADLINE, RUNNING DEADLINE
 *   left out: monitor STOPPING DEADLINE, WAITING REPLACED
 * or because they are what one transition here does in several turns of the loop:
 *   left out: monitor STARTING HELLO, WAITING LOOK, LEAVING DEADLINE, LEAVING FLUSHED
 *   left out: monitor RESTARTING FLUSHED
 *   left out: executor IDLE ACCEPTED, STEPPING PASSED, STEPPING AGAIN, STEPPING SPAWNED
 *   left out: executor RUNNING LINE, RUNNING BROKE, RUNNING DEADLINE
 *   left out: executor CLEARING DEADLINE, CLEARING EMPTY, CLEARING STOP, CLEARING EOF
 *   left out: executor CLEARING TERM, ABORTING DEADLINE, ABORTING EMPTY
 * or because TERM to the executor alone does what STOP does:
 *   left out: executor IDLE TERM, RUNNING TERM, OWED TERM
 */

/* Compiled in: what an array needs. Everything else comes through the environment, see init. */
#define SIGNALS_MAX 3
#define LINES_MAX   2000
#ifndef INTERRUPTIONS_MAX
#define INTERRUPTIONS_MAX 3
#endif
#ifndef RESTARTS_MAX
#define RESTARTS_MAX 3
#endif

c_decl {
\#include <stdio.h>
\#include <stdlib.h>
	static char taken[LINES_MAX]; /* transitions, by their lines */
	static void tell_taken(void) {
		for (int line = 0; line < LINES_MAX; line++)
			if (taken[line])
				printf("taken %d\n", line);
	}
}

hidden byte signals;          /* how many are announced */
hidden byte repeats;          /* the same wish may be announced again */
hidden byte deaf;             /* the daemon takes no notice of 42 */
hidden byte poison;           /* each install brings the executor down */

/* Faults built in, one at a time: each must be found. The text is what the table says of it. */
hidden byte mutation;
#define IS(fault) (mutation == fault)
#define UNLINK_FIRST          1 /* the signal is removed before the commit */
#define BLIND_UNLINK          2 /* the signal is removed without looking which one it is */
#define LOOK_THEN_UNLINK      3 /* looked at in its place, then removed: not renamed aside first */
#define PUT_BACK_REPLACES     4 /* what is put back replaces a still newer one */
#define NEVER_RESTORED        5 /* what a crash left at the private name is not put back */
#define DEPLOYED_NOT_RESTORED 6 /* the same, where an update is deployed */
#define REMOVED_ON_FAILURE    7 /* a failure removes the signal */
#define DEBT_KEEPS_SIGNAL     8 /* the signal is not taken again where a restart is owed */
#define NO_GENERATION         9 /* every daemon owes the restart */
#define OTHER_IS_LATER       10 /* every other daemon is taken for a later one */
#define CLEARED_BEFORE_EXIT  11 /* the debt is cleared before the exit with 42 */
#define RESTARTS_UNLIMITED   12 /* exits with 42 for one debt are not counted */
#define RESTART_AFTER_FAILURE 13 /* a failure exits with 42 as well */
#define LOCK_NOT_INHERITED   14 /* a step does not inherit the lock */
#define STRAYS_KEPT          15 /* a successor does not end the steps of a dead executor */
#define NO_SYNC              16 /* nothing is synced before the commit */
#define SYNC_AFTER_COMMIT    17 /* the commit before the sync */
#define JOURNAL_NOT_SYNCED   18 /* the journal's lines are not synced */
#define STATE_NOT_SYNCED     19 /* migration_state.json outlives what it tells of */
#define WHOLE_NOT_SYNCED     20 /* a checkout is called whole before it is on disk */
#define HALFWAY_UNSAID       21 /* a checkout begins without the journal saying so */
#define RECORD_FIRST         22 /* a migration is recorded before it runs */
#define RECORD_LATE          23 /* a migration is recorded when the next has begun */
#define NO_DOUBT             24 /* records are believed after a power cut */
#define DOUBT_ALWAYS         25 /* records are doubted at each start */
#define BASE_NOT_KEPT        26 /* the gap begins at the signal's version, not the journal's */
#define BASE_NOT_SAVED       27 /* the gap's beginning is journaled behind the checkout */
#define NEVER_HELD           28 /* interruptions are not counted */
#define DIR_NOT_SYNCED       29 /* the removal of the signal is not synced */

/* A transition: its name stands in a trail; that it was taken at all is told at the end. */
#define WHEN(name, guard) d_step { (guard) -> printf(#name); c_code { taken[__LINE__] = 1; };
#define ANY_OF(name, guard) atomic { (guard) -> printf(#name); c_code { taken[__LINE__] = 1; };

/* Version 1 runs at first; signal n announces at most version n + 1, whose migration is bit n. */
#define FIRST        1
#define PARTLY       0 /* of the tree and the program: half one version, half another */
#define BIT(v)       (1 << ((v) - 2))
#define UP_TO(v)     ((1 << ((v) - 1)) - 1)

/* The journal's phases. */
#define PHASE_IDLE     0
#define PHASE_RUNNING  1
#define PHASE_FAILED   2
#define PHASE_STOPPED  3
#define PHASE_OWED     4
#define PHASE_DEPLOYED 5

typedef Journal {
	byte phase;
	byte signal;        /* the one acted on: its identity, and so its content */
	byte from, to;
	byte base;
	bit halfway;
	byte interruptions;
	bit held;
	byte restarts;
	byte daemon;        /* the generation that owes the restart */
	byte boot;
	byte installed;
	byte applied;       /* migrations recorded since migration_state.json was written */
}

/* Only the fields of one line: they change together, and are on disk together. */
#define COPY(a, b)                                                                         \
	a.phase = b.phase; a.signal = b.signal; a.from = b.from; a.to = b.to;              \
	a.base = b.base; a.halfway = b.halfway; a.interruptions = b.interruptions;         \
	a.held = b.held; a.restarts = b.restarts; a.daemon = b.daemon; a.boot = b.boot;    \
	a.installed = b.installed; a.applied = b.applied

Journal NONE;                 /* always so */
Journal J;                    /* as the page cache has it */
Journal D;                    /* as the disk has it; kept only where power may be cut */
byte saved;                   /* migration_state.json: replaced as a whole, durably */

/* The signal's directory: the number of the file at each of its two names, 0 for none. */
byte sig, aside;
byte sig_disk, aside_disk;
byte current[SIGNALS_MAX + 1], available[SIGNALS_MAX + 1];
byte posted;                  /* how many were announced: the last is the newest */

/* What steps write. */
byte tree = FIRST, program = FIRST, effects;
byte tree_disk = FIRST, program_disk = FIRST, effects_disk;

/* The daemon and its supervisor. */
bit daemon_up = 1, daemon_ending;
byte daemon_now = 1;          /* its generation */
byte daemon_runs = FIRST;     /* the program as it was when the daemon started */
byte boot;

/* Pairs of monitor and executor: the present daemon's, and one of an earlier daemon. */
#define MON_DEAD       0
#define MON_STARTING   1 /* and GREETED */
#define MON_WAITING    2
#define MON_ASKED      3
#define MON_RUNNING    4
#define MON_RESTARTING 5
#define MON_STOPPING   6
byte mon[2];
byte mon_daemon[2];           /* the generation that started the pair */
byte mon_asked[2];            /* the signal that is not asked about again */
bit mon_timer[2];             /* unless this fires */
byte mon_request[2];

/* The wire: one request and a stop behind it; at most two reports. */
#define REP_READY       1
#define REP_INTERRUPTED 2
#define REP_OWED        3
#define REP_UNCONFIRMED 4
#define REP_DEPLOYED    5
#define REP_STEP        6
#define REP_FAILED      7
#define REP_RETRY       8 /* FAILED with a time */
#define REP_HELD        9
#define REP_CHANGED     10
#define REP_DONE        11
#define REP_STOPPED     12
byte req_run[2];
bit req_stop[2];
byte rep[2], rep_next[2];

/* The executor's next transition. From EXE_PREPARE on a run is under way. */
#define EXE_DEAD       0
#define EXE_LOCK       1
#define EXE_STRAYS     2
#define EXE_OPEN       3
#define EXE_FOUND      4
#define EXE_SAVE       5 /* the journal's line is written: sync it, then go to then */
#define EXE_TELL       6 /* report tell, which decides what comes next */
#define EXE_TAKE       7
#define EXE_RENAME     8
#define EXE_SETTLE     9
#define EXE_DIRSYNC    10
#define EXE_OWES       11
#define EXE_IDLE       12
#define EXE_PREPARE    13
#define EXE_CHECKOUT   14
#define EXE_MIGRATE    15
#define EXE_MIGRATING  16
#define EXE_REPLACE    18
#define EXE_FORGET     19
#define EXE_INSTALL    20
#define EXE_FINISH     21
#define EXE_COMMIT     22
#define EXE_FAIL       23
#define EXE_OWED       24
#define EXE_CHECKING   26
#define EXE_INSTALLING 27
#define EXE_UNLINK     28
#define EXE_SAVED      29
byte exe[2];
byte holder;                  /* of the lock: 1 + the pair */
byte then;                    /* the rest of the holder's memory; all 0 when there is none */
byte then_after;              /* where taking the signal, and applied_save(), return to */
byte tell;
byte taking;                  /* the signal that EXE_TAKE may take */
byte from;                    /* as preflight corrected it */
bit fail_held;                /* must_hold() of the failure under way */
bit past_checkout;            /* the step is behind CHECKOUT */
byte late;                    /* of RECORD_LATE alone */
bit recovering;               /* an earlier checkout was cut off */

/* The step: at most one of all executors, dead ones too. That is asserted at each start. */
#define STEP_NONE     0
#define STEP_CHECKOUT 1
#define STEP_MIGRATE  2
#define STEP_INSTALL  3
#define STEP_BEGUN    1
#define STEP_WRITING  2
#define STEP_OK       3
#define STEP_BAD      4
byte step, step_state, step_version;
bit step_locks;               /* it has inherited the lock and keeps it open */
bit step_marked;              /* its environment names our state directory */
/* The step of a dead executor: a live one that has the lock has not started it. */
#define ORPHAN (holder == 0 || exe[holder - 1] < EXE_PREPARE)

/* The status word as it was published last. */
#define WORD_NONE       0
#define WORD_BUSY       1
#define WORD_RESTARTING 2
#define WORD_DEPLOYED   3
#define WORD_FAILED     4
byte word;

/* The monitor of an earlier daemon may still speak: that is not held against this one's. */
#define SAY(what) word = (mon_daemon[p] == daemon_now -> what : word)

/* What happened, for the asserts alone; and the faults that are still to come. */
byte recorded;                /* migrations whose record was durable, unless it was rightly doubted */
bit owed;                     /* a commit that no daemon start has followed yet */
byte exits;                   /* with 42, since the last commit */
byte kills, dkills, fails, power;

#define SAME_CONTENT(a, b) (current[a] == current[b] && available[a] == available[b])

#define DEPLOYED_NEWEST                                                                       \
	(J.phase == PHASE_DEPLOYED && available[posted] == program && daemon_runs == program && \
	 effects == UP_TO(program) && sig == 0 && aside == 0 && word == WORD_DEPLOYED)
#define HELD_NEWEST                                                                           \
	(J.phase == PHASE_FAILED && J.held && sig == posted && SAME_CONTENT(J.signal, posted) && \
	 word == WORD_FAILED)
#define UNCONFIRMED_NEWEST                                                                    \
	(J.phase == PHASE_OWED && J.restarts == RESTARTS_MAX && available[posted] == program && \
	 effects == UP_TO(program) && sig == 0 && aside == 0 && word == WORD_FAILED)
#define SETTLED \
	(posted == signals && (DEPLOYED_NEWEST || HELD_NEWEST || UNCONFIRMED_NEWEST))

/* What is durable now; not kept when no power cut is to come. */
#define DURABLE(what)            \
	if                       \
	:: power > 0 -> what     \
	:: else                  \
	fi
#define DIR_DURABLE     DURABLE(sig_disk = sig; aside_disk = aside)
#define ALL_DURABLE \
	DURABLE(tree_disk = tree; program_disk = program; effects_disk = effects)
#define JOURNAL_DURABLE DURABLE(COPY(D, J))

/* The line is in the cache; EXE_SAVE makes it durable. Without power cuts that is one moment. */
#define SAVE(p, next)                                                        \
	if                                                                   \
	:: power > 0 && !IS(JOURNAL_NOT_SYNCED) -> then = next; exe[p] = EXE_SAVE \
	:: else -> recorded = recorded | J.applied; exe[p] = next            \
	fi

#define FORGET                                                                   \
	then = 0; then_after = 0; tell = 0; taking = 0; from = 0; fail_held = 0; \
	past_checkout = 0; recovering = 0; late = 0
#define END_STEP \
	step = STEP_NONE; step_state = 0; step_version = 0; step_locks = 0; step_marked = 0
#define END_EXECUTOR(p)                                       \
	exe[p] = EXE_DEAD; req_run[p] = 0; req_stop[p] = 0;   \
	if                                                    \
	:: holder == (p) + 1 -> holder = 0; FORGET            \
	:: else                                               \
	fi;                                                   \
	if                                                    \
	:: mon[p] == MON_DEAD -> mon_daemon[p] = 0            \
	:: else                                               \
	fi
#define END_MONITOR(p)                                                 \
	mon[p] = MON_DEAD; rep[p] = 0; rep_next[p] = 0; mon_asked[p] = 0; \
	mon_timer[p] = 0; mon_request[p] = 0;                          \
	if                                                             \
	:: exe[p] == EXE_DEAD -> mon_daemon[p] = 0                     \
	:: else                                                        \
	fi
#define HEARD(p) rep[p] = rep_next[p]; rep_next[p] = 0

#define START_STEP(what, version)                             \
	assert(step == STEP_NONE); /* never two at once */    \
	step = what; step_state = STEP_BEGUN; step_version = version; \
	step_locks = !IS(LOCK_NOT_INHERITED); step_marked = 1

#define END_OWN_STEP            \
	if                      \
	:: !ORPHAN -> END_STEP  \
	:: else                 \
	fi

/* put_back(): without replacing; what is newer decides. */
#define PUT_BACK                                                \
	if                                                      \
	:: sig == 0 || IS(PUT_BACK_REPLACES) -> sig = aside     \
	:: else                                                 \
	fi;                                                     \
	aside = 0
#define SETTLE                          \
	if                              \
	:: aside == taking -> aside = 0 \
	:: else -> PUT_BACK             \
	fi

/* tree_is_whole(): what is no longer called half-way is on disk. */
#define WHOLE_DURABLE                           \
	if                                      \
	:: IS(WHOLE_NOT_SYNCED)                 \
	:: else -> ALL_DURABLE                  \
	fi
#define BASE (IS(BASE_NOT_KEPT) -> 0 : J.base)

#define RECORDED_MIGRATIONS (J.applied | saved)
#define NEXT_MIGRATION(v)                                              \
	v = J.from + 1;                                                \
	do                                                             \
	:: v <= J.to && (BIT(v) & (RECORDED_MIGRATIONS | late)) != 0 -> v++ \
	:: else -> break                                               \
	od

/* By their times of start: who is there at the commit is no later one. */
#define COMMITTING  (IS(OTHER_IS_LATER) -> mon_daemon[p] : daemon_now)
#define SAME_DAEMON                                                   \
	(IS(NO_GENERATION) || mon_daemon[p] == J.daemon ||            \
	 (mon_daemon[p] < J.daemon && !IS(OTHER_IS_LATER)))

/* The step's program runs: the wire is read meanwhile. */
#define STEPPING                                                                            \
	(exe[p] == EXE_PREPARE || exe[p] == EXE_CHECKING || exe[p] == EXE_MIGRATING ||      \
	 exe[p] == EXE_INSTALLING || exe[p] == EXE_COMMIT)

/* found.c: in which phases a file at the private name is put back at once. */
#define RESTORED_IN(phase)                                                              \
	(phase != PHASE_OWED && !(phase == PHASE_DEPLOYED && IS(DEPLOYED_NOT_RESTORED)) && \
	 !IS(NEVER_RESTORED))

#define FULFILLED(id) \
	(J.phase == PHASE_DEPLOYED && current[id] == J.from && available[id] == J.to)
#define HELD(id) (J.phase == PHASE_FAILED && J.held && SAME_CONTENT(J.signal, id))

/* order_check(): where HEAD is what was installed last, the journal knows better. */
#define FROM    ((J.base == 0 && J.installed != 0 && tree == J.installed) * (J.installed - from) + from)
#define ORDERED (J.to > FROM)
#define DIRTY   (tree == PARTLY && !J.halfway)

#define GAP(low, high) (UP_TO(high) & ~UP_TO(low))

#define SERVED                                                                \
	((mon[0] != MON_DEAD && mon_daemon[0] == daemon_now) ||               \
	 (mon[1] != MON_DEAD && mon_daemon[1] == daemon_now))
#define FREE \
	((mon[0] == MON_DEAD && exe[0] == EXE_DEAD) || (mon[1] == MON_DEAD && exe[1] == EXE_DEAD))

#define GONE(p)        (exe[p] == EXE_DEAD && rep[p] == 0)
#define TERM(p)        (!daemon_up || mon_daemon[p] != daemon_now)

proctype Watcher()
{
	byte next;
end:	do
	:: WHEN(post_newer, posted < signals) /* no counterpart: somebody else's program */
		next = available[posted] + 1;
		if
		:: posted == 0 -> next = FIRST + 1
		:: else
		fi;
		posted++;
		available[posted] = next;
		/* It reads the tree, which may be that of an update that did not finish. */
		current[posted] = (tree == PARTLY -> FIRST : tree);
		sig = posted; DIR_DURABLE;
		next = 0
	   }
	:: WHEN(post_again, repeats && posted > 0 && posted < signals) /* no counterpart: somebody else's program */
		posted++;
		available[posted] = available[posted - 1];
		current[posted] = current[posted - 1];
		sig = posted; DIR_DURABLE
	   }
	:: WHEN(post_same_version, repeats && posted > 0 && posted < signals) /* no counterpart: somebody else's program */
		posted++;
		available[posted] = available[posted - 1];
		current[posted] = (tree == PARTLY -> FIRST : tree);
		sig = posted; DIR_DURABLE
	   }
	od
}

proctype Monitor(byte p)
{
end:	do
	/* ---- what was found ---- */
	:: WHEN(hear_ready, !TERM(p) && mon[p] == MON_STARTING && rep[p] == REP_READY) /* parent/actions.c:mon_on_ready [GREETED READY -> WAITING] */
		HEARD(p); mon[p] = MON_WAITING
	   }
	:: WHEN(hear_found, !TERM(p) && mon[p] == MON_STARTING && (rep[p] == REP_INTERRUPTED || rep[p] == REP_UNCONFIRMED)) /* parent/actions.c:mon_on_found [GREETED INTERRUPTED -> WAITING] [GREETED UNCONFIRMED -> WAITING] */
		HEARD(p); SAY(WORD_FAILED); mon[p] = MON_WAITING
	   }
	:: WHEN(hear_deployed, !TERM(p) && mon[p] == MON_STARTING && rep[p] == REP_DEPLOYED) /* parent/actions.c:mon_on_deployed [GREETED DEPLOYED -> WAITING] */
		HEARD(p); SAY(WORD_DEPLOYED); mon[p] = MON_WAITING
	   }
	:: WHEN(hear_owed, !TERM(p) && mon[p] == MON_STARTING && rep[p] == REP_OWED) /* parent/actions.c:mon_on_owed [GREETED OWED -> RESTARTING] */
		HEARD(p); SAY(WORD_RESTARTING); mon[p] = MON_RESTARTING
	   }
	/* ---- a signal ---- */
	:: WHEN(look_good, !TERM(p) && mon[p] == MON_WAITING && rep[p] == 0 && exe[p] != EXE_DEAD && sig != 0 && (mon_asked[p] != sig || mon_timer[p])) /* parent/look.c:look_good parent/actions.c:mon_on_signal [WAITING SIGNAL -> ASKED] */
		mon_asked[p] = 0; mon_timer[p] = 0;
		mon_request[p] = sig; req_run[p] = sig; mon[p] = MON_ASKED
	   }
	:: WHEN(look_absent, mon[p] == MON_WAITING && sig == 0 && mon_asked[p] != 0) /* parent/look.c:look_absent parent/look.c:forget_asked */
		mon_asked[p] = 0; mon_timer[p] = 0
	   }
	/* ---- its answer ---- */
	:: WHEN(hear_step, !TERM(p) && (mon[p] == MON_ASKED || mon[p] == MON_RUNNING) && rep[p] == REP_STEP) /* parent/actions.c:mon_on_step [ASKED STEP -> RUNNING] [RUNNING STEP -> RUNNING] */
		HEARD(p); SAY(WORD_BUSY); mon[p] = MON_RUNNING
	   }
	:: WHEN(hear_failed, !TERM(p) && (mon[p] == MON_ASKED || mon[p] == MON_RUNNING) && (rep[p] == REP_FAILED || rep[p] == REP_RETRY)) /* parent/actions.c:mon_on_failed parent/look.c:mon_look_hold [ASKED FAILED -> WAITING] [RUNNING FAILED -> WAITING] */
		SAY(WORD_FAILED);
		mon_asked[p] = mon_request[p]; mon_timer[p] = (rep[p] == REP_RETRY);
		mon_request[p] = 0; HEARD(p);
		mon[p] = (IS(RESTART_AFTER_FAILURE) -> MON_RESTARTING : MON_WAITING)
	   }
	:: WHEN(hear_held, !TERM(p) && mon[p] == MON_ASKED && rep[p] == REP_HELD) /* parent/actions.c:mon_on_held parent/look.c:mon_look_hold [ASKED HELD -> WAITING] */
		HEARD(p); SAY(WORD_FAILED);
		mon_asked[p] = mon_request[p]; mon_timer[p] = 0;
		mon_request[p] = 0; mon[p] = MON_WAITING
	   }
	:: WHEN(hear_changed, !TERM(p) && mon[p] == MON_ASKED && rep[p] == REP_CHANGED) /* parent/actions.c:mon_on_changed parent/look.c:mon_look_hold [ASKED CHANGED -> WAITING] */
		HEARD(p); mon_asked[p] = mon_request[p]; mon_timer[p] = 1;
		mon_request[p] = 0; mon[p] = MON_WAITING
	   }
	:: WHEN(hear_done, ((mon[p] == MON_RUNNING && !TERM(p)) || mon[p] == MON_STOPPING) && rep[p] == REP_DONE) /* parent/actions.c:mon_on_done parent/actions.c:begin_restarting [RUNNING DONE -> RESTARTING] [STOPPING DONE -> RESTARTING] */
		HEARD(p); SAY(WORD_RESTARTING); mon_request[p] = 0; mon[p] = MON_RESTARTING
	   }
	/* ---- the one exit with 42 ---- */
	:: WHEN(restart, mon[p] == MON_RESTARTING) /* parent/actions.c:mon_on_restart parent/actions.c:finish [RESTARTING DEADLINE -> RESTARTING] */
		exits++;
		assert(exits <= 1 + RESTARTS_MAX);
		if
		:: daemon_up && mon_daemon[p] == daemon_now && !daemon_ending ->
			/* Never after a failure, nor for what did not finish, nor twice for one update. */
			assert(owed);
			assert(program == J.to && effects == UP_TO(J.to));
			daemon_ending = !deaf
		:: else
		fi;
		END_MONITOR(p)
	   }
	/* ---- ends ---- */
	:: WHEN(gone, (mon[p] == MON_STARTING || mon[p] == MON_WAITING || mon[p] == MON_ASKED || mon[p] == MON_RUNNING || mon[p] == MON_STOPPING) && GONE(p)) /* parent/actions.c:mon_on_gone parent/actions.c:mon_on_gone_stopping parent/actions.c:lose_request parent/actions.c:mon_on_leave [STARTING GONE -> LEAVING] [GREETED GONE -> LEAVING] [WAITING GONE -> LEAVING] [ASKED GONE -> LEAVING] [RUNNING GONE -> LEAVING] [STOPPING GONE -> LEAVING] */
		if
		:: mon_request[p] != 0 -> SAY(WORD_FAILED)
		:: else
		fi;
		END_MONITOR(p)
	   }
	:: WHEN(quit, mon[p] == MON_STARTING && TERM(p)) /* parent/loop.c:daemon_ready parent/actions.c:mon_on_quit [STARTING TERM -> LEAVING] [GREETED TERM -> LEAVING] */
		END_MONITOR(p)
	   }
	:: WHEN(stop, (mon[p] == MON_WAITING || mon[p] == MON_ASKED || mon[p] == MON_RUNNING) && TERM(p) && exe[p] != EXE_DEAD) /* parent/loop.c:daemon_ready parent/actions.c:mon_on_stop [WAITING TERM -> STOPPING] [ASKED TERM -> STOPPING] [RUNNING TERM -> STOPPING] */
		mon_asked[p] = 0; mon_timer[p] = 0; req_stop[p] = 1; mon[p] = MON_STOPPING
	   }
	:: WHEN(hear_stopping, mon[p] == MON_STOPPING && (rep[p] == REP_STEP || rep[p] == REP_FAILED || rep[p] == REP_RETRY || rep[p] == REP_HELD || rep[p] == REP_CHANGED)) /* parent/actions.c:mon_on_step parent/actions.c:mon_on_failed parent/actions.c:mon_on_held parent/actions.c:mon_on_changed [STOPPING STEP -> STOPPING] [STOPPING FAILED -> STOPPING] [STOPPING HELD -> STOPPING] [STOPPING CHANGED -> STOPPING] */
		if
		:: rep[p] == REP_STEP -> SAY(WORD_BUSY)
		:: rep[p] == REP_CHANGED -> mon_request[p] = 0
		:: else -> SAY(WORD_FAILED); mon_request[p] = 0
		fi;
		HEARD(p)
	   }
	:: WHEN(hear_stopped, mon[p] == MON_STOPPING && rep[p] == REP_STOPPED) /* parent/actions.c:mon_on_stopped parent/actions.c:begin_leaving [STOPPING STOPPED -> LEAVING] */
		if
		:: mon_request[p] != 0 -> SAY(WORD_FAILED)
		:: else
		fi;
		END_MONITOR(p)
	   }
	od
}

proctype Executor(byte p)
{
	byte v;
end:	do
	/* ---- the start ---- */
	:: WHEN(lock, exe[p] == EXE_LOCK && holder == 0 && !(step != STEP_NONE && step_locks)) /* child/lock.c:lock_take child/lock.c:try_lock */
		holder = p + 1; exe[p] = EXE_STRAYS
	   }
	:: WHEN(end_strays, exe[p] == EXE_STRAYS) /* child/found.c:found_end_strays child/tree.c:tree_end_strays */
		if
		:: step != STEP_NONE && step_marked && !IS(STRAYS_KEPT) -> END_STEP
		:: else
		fi;
		exe[p] = EXE_OPEN
	   }
	:: WHEN(open_journal, exe[p] == EXE_OPEN) /* child/main.c:open_journal child/main.c:doubt_lost child/journal.c:journal_open child/journal.c:journal_doubt child/journal.c:rewrite */
		if
		:: J.applied != 0 && J.boot == boot && IS(DOUBT_ALWAYS) -> J.applied = 0
		:: J.applied != 0 && J.boot != boot && !IS(NO_DOUBT) ->
			recorded = recorded & ~J.applied; J.applied = 0
		:: else
		fi;
		recorded = recorded | J.applied;
		JOURNAL_DURABLE; exe[p] = EXE_FOUND
	   }
	:: WHEN(restore, exe[p] == EXE_FOUND && aside != 0 && RESTORED_IN(J.phase)) /* child/found.c:exe_report_found child/announcement.c:announcement_restore child/announcement.c:put_back */
		PUT_BACK
	   }
	:: WHEN(found_nothing, exe[p] == EXE_FOUND && (aside == 0 || !RESTORED_IN(J.phase)) && (J.phase == PHASE_IDLE || J.phase == PHASE_FAILED || J.phase == PHASE_STOPPED)) /* child/found.c:exe_report_found child/report.c:report_ready */
		tell = REP_READY; exe[p] = EXE_TELL
	   }
	:: WHEN(found_deployed, exe[p] == EXE_FOUND && (aside == 0 || !RESTORED_IN(J.phase)) && J.phase == PHASE_DEPLOYED) /* child/found.c:exe_report_found */
		tell = REP_DEPLOYED; exe[p] = EXE_TELL
	   }
	:: WHEN(found_unfinished, exe[p] == EXE_FOUND && (aside == 0 || !RESTORED_IN(J.phase)) && J.phase == PHASE_RUNNING) /* child/found.c:found_unfinished child/found.c:save */
		J.phase = PHASE_FAILED; J.interruptions = J.interruptions + 1;
		J.interruptions = (IS(NEVER_HELD) -> 1 : J.interruptions);
		J.held = (J.interruptions >= INTERRUPTIONS_MAX);
		tell = REP_INTERRUPTED; SAVE(p, EXE_TELL)
	   }
	:: WHEN(found_owed, exe[p] == EXE_FOUND && J.phase == PHASE_OWED) /* child/found.c:found_owed */
		if
		:: IS(DEBT_KEEPS_SIGNAL) -> exe[p] = EXE_OWES
		:: else -> taking = J.signal; then_after = EXE_OWES; exe[p] = EXE_TAKE
		fi
	   }
	:: WHEN(debt_paid, exe[p] == EXE_OWES && !SAME_DAEMON) /* child/found.c:found_owed child/found.c:is_paid */
		/* The daemon that this is said of runs what was committed. */
		assert(!daemon_up || mon_daemon[p] != daemon_now || daemon_runs == J.to);
		J.phase = PHASE_DEPLOYED;
		tell = REP_DEPLOYED; SAVE(p, EXE_TELL)
	   }
	:: WHEN(debt_unconfirmed, exe[p] == EXE_OWES && SAME_DAEMON && J.restarts >= RESTARTS_MAX) /* child/found.c:found_owed */
		tell = REP_UNCONFIRMED; exe[p] = EXE_TELL
	   }
	:: WHEN(debt_open, exe[p] == EXE_OWES && SAME_DAEMON && J.restarts < RESTARTS_MAX) /* child/found.c:found_owed */
		J.restarts = J.restarts + !IS(RESTARTS_UNLIMITED);
		tell = REP_OWED; SAVE(p, EXE_TELL)
	   }
	/* ---- one durable line, one report ---- */
	:: WHEN(save, exe[p] == EXE_SAVE) /* child/journal.c:journal_save child/journal.c:append */
		JOURNAL_DURABLE; recorded = recorded | J.applied;
		exe[p] = then; then = 0
	   }
	:: WHEN(report, exe[p] == EXE_TELL && (mon[p] == MON_DEAD || rep_next[p] == 0)) /* child/report.c:send_report child/report.c:report_update child/report.c:report_failure child/report.c:report_plain child/report.c:report_step child/actions.c:exe_done [STEPPING COMMITTED -> OWED] */
		if
		:: mon[p] == MON_DEAD
		:: mon[p] != MON_DEAD && rep[p] == 0 -> rep[p] = tell
		:: mon[p] != MON_DEAD && rep[p] != 0 -> rep_next[p] = tell
		fi;
		if
		:: tell == REP_STEP -> exe[p] = EXE_PREPARE; tell = 0
		:: tell == REP_OWED || tell == REP_DONE -> exe[p] = EXE_OWED; FORGET
		:: tell == REP_STOPPED -> END_EXECUTOR(p)
		:: else -> exe[p] = EXE_IDLE; FORGET
		fi
	   }
	/* ---- the request ---- */
	:: WHEN(weigh_changed, exe[p] == EXE_IDLE && req_run[p] != 0 && sig != req_run[p]) /* child/actions.c:exe_weigh child/announcement.c:announcement_hold [IDLE RUN -> IDLE] */
		req_run[p] = 0; tell = REP_CHANGED; exe[p] = EXE_TELL
	   }
	:: WHEN(weigh_fulfilled, exe[p] == EXE_IDLE && req_run[p] != 0 && sig == req_run[p] && FULFILLED(req_run[p])) /* child/actions.c:exe_weigh child/actions.c:is_fulfilled */
		taking = req_run[p]; req_run[p] = 0;
		tell = REP_CHANGED; then_after = EXE_TELL; exe[p] = EXE_TAKE
	   }
	:: WHEN(weigh_held, exe[p] == EXE_IDLE && req_run[p] != 0 && sig == req_run[p] && !FULFILLED(req_run[p]) && HELD(req_run[p])) /* child/actions.c:weigh_failed child/retry.c:retry_wait_ms */
		req_run[p] = 0; tell = REP_HELD; exe[p] = EXE_TELL
	   }
	:: WHEN(begin, exe[p] == EXE_IDLE && req_run[p] != 0 && sig == req_run[p] && !FULFILLED(req_run[p]) && !HELD(req_run[p])) /* child/actions.c:exe_begin child/actions.c:state_begin child/actions.c:task_begin child/journal.c:journal_set_signal */
		if
		:: J.phase == PHASE_OWED || J.phase == PHASE_DEPLOYED -> J.interruptions = 0
		:: else ->
			if
			:: J.signal != 0 && available[J.signal] == available[req_run[p]]
			:: else -> J.interruptions = 0
			fi
		fi;
		J.phase = PHASE_RUNNING; J.held = 0; J.restarts = 0; J.daemon = 0;
		J.boot = boot; J.signal = req_run[p]; J.to = available[req_run[p]];
		J.from = (BASE != 0 -> BASE : current[req_run[p]]);
		from = J.from; req_run[p] = 0;
		tell = REP_STEP; SAVE(p, EXE_TELL)
	   }
	/* ---- preflight, fetch, verify ---- */
	:: WHEN(prepare, exe[p] == EXE_PREPARE && ORDERED && !DIRTY) /* child/step_preflight.c:preflight_tree_read child/step_preflight.c:order_check child/step_checkout.c:checkout_begin child/step_verify.c:verify_verdict child/step_fetch.c:fetch_begin */
		from = FROM; J.from = from;
		recovering = J.halfway;
		J.base = (J.base == 0 && !IS(BASE_NOT_SAVED) -> from : J.base);
		J.halfway = !IS(HALFWAY_UNSAID);
		SAVE(p, EXE_CHECKOUT)
	   }
	:: WHEN(prepare_fails, exe[p] == EXE_PREPARE && fails > 0) /* child/run.c:run_broke child/step_fetch.c:fetch_end */
		fails--; exe[p] = EXE_FAIL
	   }
	:: WHEN(prepare_not_newer, exe[p] == EXE_PREPARE && !ORDERED) /* child/step_preflight.c:is_newer child/step_preflight.c:order_check */
		from = FROM; J.from = from; fail_held = 1; exe[p] = EXE_FAIL
	   }
	:: WHEN(prepare_dirty, exe[p] == EXE_PREPARE && ORDERED && DIRTY) /* child/step_preflight.c:preflight_tree_read */
		/* Nobody edits here: what is half-way, moult has left so. */
		assert(false); exe[p] = EXE_FAIL
	   }
	/* ---- checkout ---- */
	:: WHEN(checkout, exe[p] == EXE_CHECKOUT) /* child/step_checkout.c:checkout_begin child/run.c:run_spawn child/actions.c:exe_watch */
		START_STEP(STEP_CHECKOUT, J.to); exe[p] = EXE_CHECKING
	   }
	:: WHEN(checkout_done, exe[p] == EXE_CHECKING && step_state == STEP_OK) /* child/step_checkout.c:checkout_end child/step_checkout.c:head_end child/actions.c:exe_advance child/actions.c:exe_clear child/actions.c:exe_judge [RUNNING EXIT -> CLEARING] */
		assert(tree == J.to);
		J.base = (J.base == 0 -> from : J.base);
		END_STEP; past_checkout = 1; exe[p] = EXE_MIGRATE
	   }
	:: WHEN(checkout_failed, exe[p] == EXE_CHECKING && step_state == STEP_BAD) /* child/step_checkout.c:checkout_end child/step_checkout.c:checkout_looked */
		END_STEP;
		if
		:: tree != PARTLY && !recovering ->
			J.halfway = 0;
			if
			:: tree == J.base -> J.base = 0
			:: else
			fi
		:: else
		fi;
		exe[p] = EXE_FAIL
	   }
	/* ---- migrations ---- */
	:: WHEN(migrate, exe[p] == EXE_MIGRATE) /* child/gap.c:gap_list child/applied.c:applied_subtract child/step_migrate.c:migrate_gap child/step_migrate.c:migrate_next child/actions.c:exe_repeat */
		NEXT_MIGRATION(v);
		if
		:: v <= J.to ->
			/* In order, each recorded before the next begins. */
			assert((effects & UP_TO(v - 1)) == UP_TO(v - 1));
			assert((RECORDED_MIGRATIONS & GAP(J.from, v - 1)) == GAP(J.from, v - 1));
			J.applied = J.applied | (IS(RECORD_FIRST) -> BIT(v) : 0);
			START_STEP(STEP_MIGRATE, v); exe[p] = EXE_MIGRATING
		:: else ->
			J.applied = J.applied | late; late = 0; then_after = EXE_INSTALL;
			exe[p] = (J.applied != 0 -> EXE_REPLACE : EXE_INSTALL)
		fi;
		v = 0
	   }
	:: WHEN(migration_done, exe[p] == EXE_MIGRATING && step_state == STEP_OK) /* child/step_migrate.c:record child/step_migrate.c:migrate_heard child/step_migrate.c:migrate_ended child/journal.c:journal_applied child/actions.c:exe_hear */
		if
		:: IS(RECORD_LATE) -> late = late | BIT(step_version); END_STEP; exe[p] = EXE_MIGRATE
		:: else ->
			J.applied = J.applied | BIT(step_version); END_STEP; SAVE(p, EXE_MIGRATE)
		fi
	   }
	:: WHEN(migration_failed, exe[p] == EXE_MIGRATING && step_state == STEP_BAD) /* child/step_migrate.c:migrate_ended child/actions.c:exe_fail */
		END_STEP; fail_held = 1; then_after = EXE_FAIL;
		exe[p] = (J.applied != 0 -> EXE_REPLACE : EXE_FAIL)
	   }
	:: WHEN(state_sync, exe[p] == EXE_REPLACE) /* child/applied.c:applied_save child/sync.c:sync_all */
		if
		:: IS(STATE_NOT_SYNCED)
		:: else -> ALL_DURABLE
		fi;
		exe[p] = EXE_FORGET
	   }
	:: WHEN(state_replace, exe[p] == EXE_FORGET) /* child/applied.c:applied_save child/step_migrate.c:migrate_save */
		saved = saved | J.applied; exe[p] = EXE_SAVED
	   }
	:: WHEN(state_saved, exe[p] == EXE_SAVED) /* child/journal.c:journal_saved */
		J.applied = 0; SAVE(p, then_after)
	   }
	/* ---- install ---- */
	:: WHEN(install, exe[p] == EXE_INSTALL) /* child/step_finish.c:install_begin */
		START_STEP(STEP_INSTALL, J.to); exe[p] = EXE_INSTALLING
	   }
	:: WHEN(install_done, exe[p] == EXE_INSTALLING && step_state == STEP_OK) /* child/step_finish.c:install_end */
		END_STEP; exe[p] = EXE_FINISH
	   }
	:: WHEN(install_failed, exe[p] == EXE_INSTALLING && step_state == STEP_BAD) /* child/step_finish.c:install_end child/actions.c:must_hold */
		END_STEP; fail_held = 1; exe[p] = EXE_FAIL
	   }
	/* ---- finish ---- */
	:: WHEN(finish_sync, exe[p] == EXE_FINISH) /* child/step_finish.c:finish_sync child/sync.c:sync_all */
		if
		:: IS(NO_SYNC) || IS(SYNC_AFTER_COMMIT)
		:: else -> ALL_DURABLE
		fi;
		sig = (IS(UNLINK_FIRST) && sig == J.signal -> 0 : sig);
		exe[p] = EXE_COMMIT
	   }
	:: WHEN(finish_sync_failed, exe[p] == EXE_FINISH && fails > 0) /* child/step_finish.c:finish_sync child/actions.c:must_hold */
		fails--; fail_held = 1; exe[p] = EXE_FAIL
	   }
	:: WHEN(commit, exe[p] == EXE_COMMIT) /* child/step_finish.c:finish_tree_read child/step_finish.c:finish_commit child/rules.c:exe_dispatch */
		assert(program == J.to && tree == J.to && effects == UP_TO(J.to));
		owed = 1; exits = 0;
		J.phase = (IS(CLEARED_BEFORE_EXIT) -> PHASE_DEPLOYED : PHASE_OWED); J.restarts = 0; J.interruptions = 0; J.halfway = 0;
		J.base = 0; J.installed = J.to; J.daemon = COMMITTING;
		taking = J.signal; tell = REP_DONE; then_after = EXE_TELL;
		SAVE(p, EXE_TAKE)
	   }
	/* ---- taking the signal away ---- */
	:: WHEN(take, exe[p] == EXE_TAKE) /* child/announcement.c:announcement_take child/announcement.c:settle child/announcement.c:open_and_compare */
		if
		:: IS(SYNC_AFTER_COMMIT) -> ALL_DURABLE
		:: else
		fi;
		if
		:: aside != 0 -> SETTLE
		:: else
		fi;
		exe[p] = EXE_RENAME
	   }
	:: WHEN(take_aside, exe[p] == EXE_RENAME) /* child/announcement.c:announcement_take */
		if
		:: sig == 0 -> exe[p] = EXE_DIRSYNC
		:: sig != 0 && IS(BLIND_UNLINK) -> sig = 0; exe[p] = EXE_DIRSYNC
		:: sig != 0 && IS(LOOK_THEN_UNLINK) ->
			exe[p] = (sig == taking -> EXE_UNLINK : EXE_DIRSYNC)
		:: else -> aside = sig; sig = 0; exe[p] = EXE_SETTLE
		fi
	   }
	:: WHEN(unlink, exe[p] == EXE_UNLINK) /* no counterpart: of a mutation */
		sig = 0; exe[p] = EXE_DIRSYNC
	   }
	:: WHEN(take_settle, exe[p] == EXE_SETTLE) /* child/announcement.c:settle child/announcement.c:put_back child/announcement.c:open_and_compare */
		SETTLE; exe[p] = EXE_DIRSYNC
	   }
	:: WHEN(take_sync, exe[p] == EXE_DIRSYNC) /* child/announcement.c:announcement_take */
		if
		:: IS(DIR_NOT_SYNCED)
		:: else -> DIR_DURABLE
		fi;
		taking = 0; exe[p] = then_after; then_after = 0
	   }
	/* ---- a run that failed ---- */
	:: WHEN(fail, exe[p] == EXE_FAIL) /* child/actions.c:exe_fail child/actions.c:tree_is_whole child/actions.c:must_hold child/retry.c:retry_note_failure [STEPPING BROKE -> IDLE] */
		J.phase = PHASE_FAILED; J.held = fail_held;
		if
		:: past_checkout -> WHOLE_DURABLE; J.halfway = 0
		:: else
		fi;
		sig = (IS(REMOVED_ON_FAILURE) && sig == J.signal -> 0 : sig);
		tell = (fail_held -> REP_FAILED : REP_RETRY); then_after = 0;
		SAVE(p, EXE_TELL)
	   }
	/* ---- the end ---- */
	:: WHEN(abort_stopped, STEPPING && mon[p] != MON_DEAD && req_stop[p]) /* child/actions.c:exe_abort child/actions.c:end_tree child/actions.c:exe_leave [RUNNING STOP -> ABORTING] */
		END_STEP; J.phase = PHASE_STOPPED;
		if
		:: past_checkout -> WHOLE_DURABLE; J.halfway = 0
		:: else
		fi;
		tell = REP_STOPPED; SAVE(p, EXE_TELL)
	   }
	:: WHEN(abort_eof, STEPPING && mon[p] == MON_DEAD) /* child/actions.c:exe_abort child/actions.c:exe_leave [RUNNING EOF -> ABORTING] */
		END_STEP; END_EXECUTOR(p)
	   }
	:: WHEN(leave_stopped, (exe[p] == EXE_IDLE || exe[p] == EXE_OWED) && mon[p] != MON_DEAD && req_run[p] == 0 && req_stop[p]) /* child/actions.c:exe_leave [IDLE STOP -> IDLE] [OWED STOP -> OWED] */
		tell = REP_STOPPED; exe[p] = EXE_TELL
	   }
	:: WHEN(leave_eof, (exe[p] == EXE_IDLE || exe[p] == EXE_OWED) && mon[p] == MON_DEAD && req_run[p] == 0) /* child/actions.c:exe_leave child/loop.c:on_wire [IDLE EOF -> IDLE] [OWED EOF -> OWED] */
		END_EXECUTOR(p)
	   }
	od
}

proctype Step()
{
end:	do
	:: WHEN(step_begins, step_state == STEP_BEGUN && !(step == STEP_MIGRATE && (effects & BIT(step_version)) != 0)) /* no counterpart: git, a migration, make */
		if
		:: step == STEP_CHECKOUT -> tree = PARTLY
		:: step == STEP_INSTALL -> program = PARTLY
		:: step == STEP_MIGRATE -> assert((recorded & BIT(step_version)) == 0)
		fi;
		step_state = STEP_WRITING
	   }
	/* Its check() may not see what it did, and so it runs again: it is idempotent. */
	:: WHEN(step_runs_again, step_state == STEP_BEGUN && step == STEP_MIGRATE && (effects & BIT(step_version)) != 0) /* no counterpart: a migration */
		assert((recorded & BIT(step_version)) == 0);
		step_state = STEP_WRITING
	   }
	:: WHEN(step_was_applied, step_state == STEP_BEGUN && step == STEP_MIGRATE && (effects & BIT(step_version)) != 0) /* no counterpart: a migration */
		step_state = STEP_OK
	   }
	:: WHEN(step_ends, step_state == STEP_WRITING) /* no counterpart: git, a migration, make */
		if
		:: step == STEP_CHECKOUT -> tree = step_version
		:: step == STEP_INSTALL -> program = step_version
		:: step == STEP_MIGRATE -> effects = effects | BIT(step_version)
		fi;
		step_state = STEP_OK
	   }
	:: WHEN(step_fails, (step_state == STEP_BEGUN || step_state == STEP_WRITING) && fails > 0) /* no counterpart: git, a migration, make */
		fails--; step_state = STEP_BAD
	   }
	:: WHEN(orphan_ends, step != STEP_NONE && ORPHAN && (step_state == STEP_OK || step_state == STEP_BAD)) /* no counterpart: git, a migration, make */
		END_STEP
	   }
	od
}

proctype Daemon()
{
	byte p;
end:	do
	:: WHEN(start_monitor, daemon_up && !daemon_ending && !SERVED && FREE) /* client/libmoult.c:start_monitor client/libmoult.c:rest client/supervise.c:start_updates parent/start.c:mon_start_executor child/main.c:main child/report.c:report_hello */
		p = (mon[0] == MON_DEAD && exe[0] == EXE_DEAD -> 0 : 1);
		mon[p] = MON_STARTING; exe[p] = EXE_LOCK; mon_daemon[p] = daemon_now;
		p = 0
	   }
	:: WHEN(daemon_ends, daemon_up && daemon_ending) /* client/libmoult.c:take_end client/supervise.c:on_updates client/supervise.c:enter client/supervise.c:on_child */
		daemon_up = 0; daemon_ending = 0; daemon_runs = 0
	   }
	:: WHEN(supervisor_starts, !daemon_up) /* no counterpart: the service manager */
		daemon_up = 1; daemon_now++; daemon_runs = program; owed = 0
	   }
	od
}

proctype Chaos()
{
	byte v;
end:	do
	:: WHEN(kill_monitor_0, kills > 0 && mon[0] != MON_DEAD) /* no counterpart: SIGKILL */
		kills--; END_MONITOR(0)
	   }
	:: WHEN(kill_monitor_1, kills > 0 && mon[1] != MON_DEAD) /* no counterpart: SIGKILL */
		kills--; END_MONITOR(1)
	   }
	/* With the lock only: one that waits for it has done nothing yet. */
	:: WHEN(kill_executor, kills > 0 && holder != 0) /* no counterpart: SIGKILL, and child/spawn.c:child_parent */
		kills--; v = holder - 1; END_OWN_STEP; END_EXECUTOR(v); v = 0
	   }
	:: WHEN(kill_pair, kills > 0 && holder != 0) /* no counterpart: SIGKILL */
		kills--; v = holder - 1; END_OWN_STEP; END_MONITOR(v); END_EXECUTOR(v); v = 0
	   }
	/* Its step outlives it: whole, without the lock, or without the mark. */
	:: WHEN(orphan, kills > 0 && step != STEP_NONE && !ORPHAN) /* no counterpart: SIGKILL */
		kills--; v = holder - 1; END_EXECUTOR(v); v = 0
	   }
	:: WHEN(orphan_unlocked, kills > 0 && step != STEP_NONE && !ORPHAN) /* no counterpart: SIGKILL */
		kills--; step_locks = 0; v = holder - 1; END_EXECUTOR(v); v = 0
	   }
	:: WHEN(orphan_unmarked, kills > 0 && step != STEP_NONE && !ORPHAN) /* no counterpart: SIGKILL */
		kills--; step_marked = 0; v = holder - 1; END_EXECUTOR(v); v = 0
	   }
	:: WHEN(kill_step, kills > 0 && (step_state == STEP_BEGUN || step_state == STEP_WRITING)) /* no counterpart: SIGKILL */
		kills--; step_state = STEP_BAD
	   }
#ifdef LIVENESS
	/* Else fairness would have every fault come about. */
	:: WHEN(mercy, kills + dkills + fails + power > 0) /* no counterpart: luck */
		kills = 0; dkills = 0; fails = 0; power = 0
	   }
#endif
	/* However often it is tried. */
	:: WHEN(poisoned, poison && step == STEP_INSTALL && holder != 0) /* no counterpart: the OOM killer */
		v = holder - 1; END_STEP; END_EXECUTOR(v); v = 0
	   }
	:: WHEN(kill_daemon, dkills > 0 && daemon_up) /* no counterpart: SIGKILL */
		dkills--; daemon_up = 0; daemon_ending = 0; daemon_runs = 0
	   }
	:: WHEN(write_back, power > 0 && (sig != sig_disk || aside != aside_disk)) /* no counterpart: the kernel */
		DIR_DURABLE
	   }
	:: ANY_OF(power_cut, power > 0) /* no counterpart: the mains */
		power--;
		END_STEP; END_MONITOR(0); END_MONITOR(1); END_EXECUTOR(0); END_EXECUTOR(1);
		daemon_up = 0; daemon_ending = 0; daemon_runs = 0; boot++;
		if
		:: COPY(J, D)
		:: true
		fi;
		sig = sig_disk; aside = aside_disk;
		if
		:: tree = tree_disk
		:: tree != tree_disk -> tree = PARTLY
		:: tree != tree_disk
		fi;
		if
		:: program = program_disk
		:: program != program_disk -> program = PARTLY
		:: program != program_disk
		fi;
		v = 2;
		do
		:: v <= SIGNALS_MAX + 1 && (effects & BIT(v)) != (effects_disk & BIT(v)) ->
			if
			:: effects = effects & ~BIT(v)
			:: true
			fi;
			v++
		:: v <= SIGNALS_MAX + 1 && (effects & BIT(v)) == (effects_disk & BIT(v)) -> v++
		:: v > SIGNALS_MAX + 1 -> break
		od;
		v = 0;
		DIR_DURABLE; JOURNAL_DURABLE; ALL_DURABLE;
		if
		:: power == 0 ->
			COPY(D, NONE); sig_disk = 0; aside_disk = 0;
			tree_disk = 0; program_disk = 0; effects_disk = 0
		:: else
		fi
	   }
	od
}

/* When nothing can move any more, the newest signal is deployed, or its failure reported and held. */
proctype Quiescence()
{
	timeout ->
	assert(posted == signals);
	assert(SETTLED);
	/* A debt is forgotten for a daemon alone that took no notice of it. */
	assert(!owed || J.phase == PHASE_OWED || deaf)
}

#ifdef LIVENESS
/* And under weak fairness it comes to that, and stays so. */
ltl settles { <> [] SETTLED }
#endif

init
{
	d_step {
		c_code {
			static const char *const names[] = {"SIGNALS", "KILLS", "DKILLS", "FAILS",
				"POWER", "REPEATS", "DEAF", "POISON", "MUTATION"};
			uchar bounds[9];
			atexit(tell_taken);
			for (int i = 0; i < 9; i++)
				bounds[i] = getenv(names[i]) ? (uchar)atoi(getenv(names[i])) : 0;
			signals = bounds[0]; now.kills = bounds[1]; now.dkills = bounds[2];
			now.fails = bounds[3]; now.power = bounds[4]; repeats = bounds[5];
			deaf = bounds[6]; poison = bounds[7]; mutation = bounds[8];
		};
		if
		:: power == 0 -> tree_disk = 0; program_disk = 0
		:: else
		fi
	}
	atomic {
		run Watcher();
		run Monitor(0); run Monitor(1);
		run Executor(0); run Executor(1);
		run Step(); run Daemon(); run Chaos();
#ifndef LIVENESS
		run Quiescence()
#endif
	}
}
