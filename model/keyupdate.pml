/*
 * KeyUpdate of DTLS 1.3 over SCTP, and close, for spin(1). RFC 9147, Section 8.
 *
 * SCTP, that of network.pml, loses nothing, so that an ACK tells only that the peer has the
 * new keys, and what was sent in the epoch before must have arrived before
 * the peer may forget that epoch: hence the flush before each KeyUpdate. It must also have
 * been read before: the kernel has one queue for all streams, in order of arrival.
 * SCTP-AUTH keys stay as they are and are not in here; see rekey.pml.
 *
 * What may be changed, by -D:
 *   UPDATES=n     that each side begins of its own will (2)
 *   MESSAGES=n    of application data that each side sends (1)
 *   ASK           each asks the other one to follow, also when both do so at once
 * and what is wrong on purpose, to see that the model sees it:
 *   NO_FLUSH      KeyUpdate does not wait for what was sent before
 *   NO_ACK        the new keys are used at once
 *   FORGET        the receiver of KeyUpdate forgets the epoch in which it came
 *   TWO_QUEUES    the program looks at stream 0 before other messages that came first
 */

#ifndef UPDATES
#define UPDATES 2
#endif
#ifndef MESSAGES
#define MESSAGES 1
#endif
#ifdef ASK
#define ROUNDS (2 * UPDATES)
#else
#define ROUNDS UPDATES
#endif

#define CHUNKS (2 * ROUNDS + MESSAGES + 1)

mtype = { key_update, key_update_requested, ack, data, close_notify }

typedef Chunk {
	mtype type;
	byte epoch
}

typedef Peer {
	byte write = 3;
	byte newest = 3;  /* epoch of the peer that is known */
	byte oldest = 3;
	byte begun;
	bool flushing;    /* KeyUpdate goes when all is acknowledged; writers wait */
	bool asks;        /* and asks */
	bool pending;     /* KeyUpdate is sent and not acknowledged */
	bool owed;        /* another one has to follow */
	bool draining, closing, said, told;
	byte written, delivered
}

Peer peer[2];

#define takes(p, c) true
#define repeats(p) true
#define overtakes(p) skip
#include "network.pml"

inline send(p, t) {
	assert(from[p].sent < CHUNKS);
	from[p].chunk[from[p].sent].type = t;
	from[p].chunk[from[p].sent].epoch = peer[p].write;
	from[p].sent++;
	advance(p)
}

/* update begins one, or has it follow the one that is under way. */
inline update(p, ask) {
	if
	:: peer[p].flushing
	:: peer[p].pending && !peer[p].flushing -> peer[p].owed = true
	:: else -> peer[p].flushing = true; peer[p].asks = ask
	fi
}

inline update_now(p) {
	peer[p].flushing = false;
	peer[p].pending = true;
	if
	:: peer[p].asks -> send(p, key_update_requested)
	:: else -> send(p, key_update)
	fi;
#ifdef NO_ACK
	peer[p].write++
#endif
}

inline receive(p, i) {
	/* Handshake messages come in the newest epoch only, others in those that are known. */
	assert(got(p, i).epoch <= peer[p].newest);
	assert(got(p, i).epoch >= peer[p].oldest);
	if
	:: got(p, i).type == data ->
		assert(!peer[p].told);
		peer[p].delivered++
	:: got(p, i).type == key_update || got(p, i).type == key_update_requested ->
		assert(got(p, i).epoch == peer[p].newest);
		peer[p].oldest = peer[p].newest;
		peer[p].newest++;
#ifdef FORGET
		peer[p].oldest++;
#endif
		if
		:: peer[p].closing
		:: !peer[p].closing ->
			send(p, ack);
			if :: got(p, i).type == key_update_requested -> update(p, false) :: else fi
		fi
	:: got(p, i).type == ack ->
#ifndef NO_ACK
		peer[p].write++;
#endif
		peer[p].pending = false;
		if
		:: peer[p].owed && !peer[p].closing -> peer[p].owed = false; update(p, false)
		:: else
		fi
	:: got(p, i).type == close_notify -> peer[p].draining = true
	fi
}

proctype Program(bit p) {
	byte i;
	do
	:: d_step { !peer[p].flushing && !peer[p].closing && peer[p].written < MESSAGES -> send(p, data); peer[p].written++ }
#ifdef ASK
	:: d_step { peer[p].begun < UPDATES && !peer[p].closing && !peer[p].pending && !peer[p].flushing -> peer[p].begun++; update(p, true) }
#else
	:: d_step { peer[p].begun < UPDATES && !peer[p].closing && !peer[p].pending && !peer[p].flushing -> peer[p].begun++; update(p, false) }
#endif
	:: d_step { !peer[p].closing -> peer[p].closing = true }

	:: d_step { nempty(inbox0[p]) -> inbox0[p]?i; receive(p, i); i = 0 }
#ifdef TWO_QUEUES
	:: d_step { nempty(inbox1[p]) -> inbox1[p]?i; receive(p, i); i = 0 }
#endif
	:: d_step { peer[p].draining && empty(inbox0[p]) && empty(inbox1[p]) -> peer[p].draining = false; peer[p].told = true; peer[p].closing = true }
#ifdef NO_FLUSH
	:: d_step { peer[p].flushing -> update_now(p) }
#else
	:: d_step { peer[p].flushing && dry(p) -> update_now(p) }
#endif
	:: d_step { peer[p].closing && !peer[p].said && !peer[p].flushing && dry(p) -> send(p, close_notify); peer[p].said = true }

	:: peer[p].said && peer[p].told && dry(p) -> break
	od;
	assert(peer[p].delivered == peer[other(p)].written)
}

init {
	atomic {
		run Network(0);
		run Network(1);
		run Program(0);
		run Program(1)
	}
}
