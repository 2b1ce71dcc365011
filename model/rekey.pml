/*
 * How two peers of RFC 6083 change keys and close, for spin(1).
 *
 * "make model" asks spin for every order of events in which a message is lost, comes where it
 * must not, or nothing can go on any more. The names are those of the RFCs and of package sctpdtls.
 *
 * SCTP is that of network.pml, with SCTP-AUTH as it is in the kernel. A chunk is bound to the key with
 * which it was sent first, also when it is sent again. A receiver without that key drops it in silence: no acknowledgement either, nor
 * again of what came before. Of what is not acknowledged the first chunk is sent again, alone, until it is or something new is sent.
 *
 * What may be changed, by -D:
 *   FIRST             the first handshake of an association; otherwise it is open
 *   HANDSHAKES=n      that the client begins, of its own will or because it is asked (1)
 *   MESSAGES=n        of application data that each side sends (2)
 *   OPENSSL_CLIENT    it switches keys after Finished, which goes under the old key
 *   OPENSSL_SERVER    it switches keys between ChangeCipherSpec and Finished
 *   STRICT            nobody may use a key that the peer lacks, even for a moment
 * and what is wrong on purpose, to see that the model sees it:
 *   NO_FLUSH          ChangeCipherSpec does not wait for the acknowledgements (Section 4.7)
 *   NO_DRAIN          nor its receiver for what came before (Section 4.7)
 *   OPEN_GATE         a writer that has sealed a record may send it at any time
 *   NO_LAST_FLUSH     data follows the last Finished before that is acknowledged, and may overtake it
 *   NO_HOLD           data of the new epoch is not kept until Finished
 *   LATE_KEY          a server computes its key when ChangeCipherSpec comes
 *   EARLY_DELETE      the old key goes when the own Finished was sent
 *   LETTER_DELETE     the old key goes when the peer's Finished has come, whatever it came under
 *   FIRST_MESSAGE     it goes with the message after that, at the latest
 *   NO_LAGS           it goes although ChangeCipherSpec came under it
 *   NARROW_EARLY      nothing new is taken under it from when the own Finished was sent
 *   CLOSE_NO_FLUSH    close_notify does not wait for the acknowledgements (Section 4.9)
 *   CLOSE_NO_DRAIN    nor its receiver for what came before (Section 4.9)
 */

#ifndef HANDSHAKES
#define HANDSHAKES 1
#endif
#ifndef MESSAGES
#define MESSAGES 2
#endif

#define CLIENT 0
#define SERVER 1

#ifdef OPENSSL_CLIENT
#define OPENSSL CLIENT
#else
#ifdef OPENSSL_SERVER
#define OPENSSL SERVER
#else
#define OPENSSL 2 /* neither */
#endif
#endif

#ifdef FIRST
#define EPOCH 0 /* key 0 is the empty one: Section 4.8 */
#else
#define EPOCH 1
#endif

/* What a side can send: in each handshake a wish for it, a hello, a key exchange,
   ChangeCipherSpec and Finished, though nobody all of them; data; close_notify. */
#define CHUNKS (4 * HANDSHAKES + MESSAGES + 1)

mtype = { hello_request, hello, key_exchange, change_cipher_spec, finished, data, close_notify }

/* Where a peer is in a handshake. */
mtype = { open, wait_hello, wait_key_exchange, finishing, wait_change, wait_finished, confirming }

/* Why it reads everything before it goes on. */
mtype = { no_drain, drain_change, drain_close }

typedef Chunk {
	mtype type;
	byte epoch;       /* of DTLS */
	byte key          /* of SCTP-AUTH */
}

typedef Peer {
	mtype state = open;
	mtype drain = no_drain;

	byte write = EPOCH;
	byte read = EPOCH;
	bool known;       /* the keys of the epoch after read are */
	bool unconfirmed; /* from ChangeCipherSpec to Finished */
	bool ahead;       /* Finished came while draining */
	bool closes;      /* and then close_notify */
	byte held;        /* data of the epoch that is unconfirmed */

	byte sending = EPOCH; /* SCTP-AUTH keys; each has the number of the epoch it was made for */
	byte newest = EPOCH;
	byte oldest = EPOCH;
	bool verified;    /* the peer's Finished of the handshake that made the newest is */
	bool switched;    /* the peer uses the newest key, and has done with the old one */
	bool lags;        /* something came under the old one after this side had switched */
	bool narrowed;    /* what comes under the old one is only acknowledged again */

	bool shut = (EPOCH == 0); /* the gate for application data */
	bool closing;     /* nothing of a handshake is sent any more */
	bool said;        /* our close_notify is sent */
	bool told;        /* the peer's is processed */
	byte sealed;      /* with OPEN_GATE, the epoch of a record that was sealed and is not sent */
	byte written;     /* messages sent */
	byte delivered    /* messages that the application of this side got */
}

Peer peer[2];
byte begun, asked;

#define has(p, k) (peer[p].oldest <= k && k <= peer[p].newest)
#define last(p) from[p].chunk[from[p].sent - 1]

#define takes(p, c) (has(other(p), c.key) && (!peer[other(p)].narrowed || c.key > peer[other(p)].oldest))

#define repeats(p) has(other(p), from[p].chunk[from[p].acked].key)

/* Data that overtakes Finished has to be kept by a receiver that knows no end of it. OpenSSL's server lets it. */
#ifdef OPENSSL_SERVER
#define ours(p) (p == CLIENT)
#else
#define ours(p) true
#endif
#define overtakes(p) assert(!ours(p) || from[p].next1 < from[p].next0 || from[p].next0 == from[p].sent || (from[p].chunk[from[p].next0].type != change_cipher_spec && from[p].chunk[from[p].next0].type != finished))

#define TWO_QUEUES
#include "network.pml"

inline send(p, t) {
	assert(from[p].sent < CHUNKS);
	from[p].chunk[from[p].sent].type = t;
	from[p].chunk[from[p].sent].epoch = peer[p].write;
	from[p].chunk[from[p].sent].key = peer[p].sending;
#ifdef STRICT
	assert(has(other(p), peer[p].sending));
#endif
	from[p].sent++;
	advance(p)
}

/* ---- SCTP-AUTH keys ---- */

inline delete(p) {
	/* What is still to come under this key would never come. */
	assert(from[other(p)].next0 == from[other(p)].sent || from[other(p)].chunk[from[other(p)].next0].key > peer[p].oldest);
	assert(from[other(p)].next1 == from[other(p)].sent || from[other(p)].chunk[from[other(p)].next1].key > peer[p].oldest);
	peer[p].oldest++;
	peer[p].narrowed = false
}

inline install(p) {
	peer[p].newest++;
	peer[p].verified = false;
	peer[p].switched = false;
	peer[p].lags = false
}

/* settle deletes the old key, or has nothing new come under it. Of OpenSSL only time tells. */
inline settle(p) {
	if
	:: p != OPENSSL && peer[p].verified && peer[p].sending == peer[p].newest && peer[p].oldest < peer[p].newest ->
		if
		:: peer[p].switched -> delete(p)
		:: else -> peer[p].narrowed = true
		fi
	:: else
	fi
}

/* saw is told by the kernel under which key a chunk has come, if that is not the active one. */
inline saw(p, i) {
	if
	:: got(p, i).key > peer[p].sending && got(p, i).key == peer[p].newest -> peer[p].switched = true
	:: got(p, i).key < peer[p].sending && peer[p].sending == peer[p].newest && !peer[p].verified -> peer[p].lags = true
	:: else
	fi;
#ifdef FIRST_MESSAGE
	if :: peer[p].verified -> peer[p].switched = true; settle(p) :: else fi
#endif
}

/* Nothing that p has sent under its peer's oldest key will be sent again. */
#define done_with(p, k) (dry(p) || from[p].chunk[from[p].acked].key > k)

/* Of our own chunks we know that they are acknowledged. That the peer's are as well, package sctpdtls takes from
   a grace time where nothing else tells. */
#define may_delete(p) (peer[p].oldest < peer[p].sending && peer[p].state == open && done_with(p, peer[p].oldest) && done_with(other(p), peer[p].oldest))

/* ---- DTLS ---- */

inline deliver(p) {
	assert(!peer[p].told); /* after close_notify it is lost */
	peer[p].delivered++
}

/* begin is a client's; the server's hello stands for its whole flight. */
inline begin() {
	begun++;
	send(CLIENT, hello);
	peer[CLIENT].state = wait_hello
}

/* finish comes before the own Finished. Nothing of a handshake follows close_notify. */
inline finish(p) {
	peer[p].state = finishing;
	peer[p].shut = true
}

inline switch_key(p) {
	peer[p].sending = peer[p].newest;
	settle(p)
}

/* finish_now sends it, once all before is acknowledged. */
inline finish_now(p) {
#ifdef OPENSSL_CLIENT
	if :: p == SERVER -> switch_key(p) :: else fi;
#else
#ifdef OPENSSL_SERVER
	if :: p == CLIENT -> switch_key(p) :: else fi;
#else
	switch_key(p);
#endif
#endif
	send(p, change_cipher_spec);
#ifndef OPENSSL_CLIENT
	switch_key(p);
#endif
	peer[p].write++;
	send(p, finished);
	switch_key(p);
#ifdef EARLY_DELETE
	delete(p);
#endif
#ifdef NARROW_EARLY
	peer[p].narrowed = peer[p].oldest < peer[p].newest;
#endif
	if
	:: p == CLIENT -> peer[p].state = wait_change
#if defined(NO_LAST_FLUSH) || defined(OPENSSL_SERVER)
	:: else -> complete(p)
#else
	:: else -> peer[p].state = confirming
#endif
	fi
}

inline complete(p) {
	peer[p].state = open;
	peer[p].unconfirmed = false;
	peer[p].delivered = peer[p].delivered + peer[p].held;
	peer[p].held = 0;
	peer[p].shut = peer[p].closing
}

inline peer_finished(p) {
	assert(peer[p].state == wait_finished);
	peer[p].verified = true;
	if
#ifdef NO_LAGS
	:: peer[p].sending == peer[p].newest -> peer[p].switched = true
#else
	:: peer[p].sending == peer[p].newest && !peer[p].lags -> peer[p].switched = true
#endif
#ifdef LETTER_DELETE
	:: else -> peer[p].switched = true
#else
	:: else
#endif
	fi;
	if :: peer[p].newest - peer[p].oldest > 1 -> delete(p) :: else fi; /* one more is enough */
	settle(p);
	if
	:: p == SERVER && !peer[p].closing -> finish(p)
	:: else -> complete(p)
	fi
}

/* change takes the new keys for what comes, once all is read that came before ChangeCipherSpec. */
inline change(p) {
	peer[p].drain = no_drain;
	peer[p].known = false;
	peer[p].read++;
	peer[p].unconfirmed = true;
	peer[p].state = wait_finished;
	if :: peer[p].ahead -> peer[p].ahead = false; peer_finished(p) :: else fi;
	if :: peer[p].closes -> peer[p].closes = false; peer[p].drain = drain_close :: else fi
}

inline close_told(p) {
	peer[p].drain = no_drain;
	peer[p].told = true;
	peer[p].closing = true;
	peer[p].shut = true
}

inline receive_data(p, i) {
	if
	:: got(p, i).epoch == peer[p].read && !peer[p].unconfirmed -> deliver(p)
#ifdef NO_HOLD
	:: got(p, i).epoch == peer[p].read && peer[p].unconfirmed -> assert(false)
	:: got(p, i).epoch == peer[p].read + 1 -> assert(false)
#else
	:: got(p, i).epoch == peer[p].read && peer[p].unconfirmed -> peer[p].held++
	:: got(p, i).epoch == peer[p].read + 1 -> assert(peer[p].known); peer[p].held++
#endif
	:: got(p, i).epoch + 1 == peer[p].read -> assert(peer[p].unconfirmed); deliver(p)
	fi
}

inline receive_hello(p) {
	if
	:: peer[p].closing
	:: p == SERVER && !peer[p].closing ->
		assert(peer[p].state == open);
		send(p, hello);
		peer[p].state = wait_key_exchange
	:: p == CLIENT && !peer[p].closing ->
		send(p, key_exchange);
		install(p);
		peer[p].known = true;
		finish(p)
	fi
}

inline receive_key_exchange(p) {
#ifndef LATE_KEY
	install(p);
#endif
	peer[p].known = true;
	peer[p].state = wait_change
}

inline receive_change(p) {
	assert(peer[p].state == wait_change && peer[p].known);
#ifdef LATE_KEY
	if :: p == SERVER -> install(p) :: else fi;
#endif
#ifdef NO_DRAIN
	change(p)
#else
	peer[p].drain = drain_change
#endif
}

inline receive(p, i) {
	if
	:: got(p, i).type == hello_request ->
		if
		:: peer[p].state == open && !peer[p].closing && begun < HANDSHAKES -> begin()
		:: else
		fi
	:: got(p, i).type == hello -> receive_hello(p)
	:: got(p, i).type == key_exchange -> receive_key_exchange(p)
	:: got(p, i).type == change_cipher_spec -> receive_change(p)
	:: got(p, i).type == finished ->
		if
		:: peer[p].drain == drain_change -> peer[p].ahead = true
		:: else -> peer_finished(p)
		fi
	:: got(p, i).type == close_notify ->
#ifdef CLOSE_NO_DRAIN
		close_told(p)
#else
		if
		:: peer[p].drain == drain_change -> peer[p].closes = true
		:: else -> peer[p].drain = drain_close
		fi
#endif
	fi
}

#define drained(p) (empty(inbox0[p]) && empty(inbox1[p]))

#define is_open(p) (peer[p].write > 0 && peer[p].state == open && !peer[p].closing)

#ifdef NO_FLUSH
#define finish_due(p) (peer[p].state == finishing)
#else
#define finish_due(p) (peer[p].state == finishing && dry(p))
#endif

#ifdef CLOSE_NO_FLUSH
#define close_due(p) (peer[p].closing && !peer[p].said && peer[p].state != finishing && peer[p].state != confirming)
#else
#define close_due(p) (peer[p].closing && !peer[p].said && peer[p].state != finishing && peer[p].state != confirming && dry(p))
#endif

proctype Program(bit p) {
	byte i;
	do
	/* What the application wants, at any time. */
#ifdef OPEN_GATE
	:: d_step { !peer[p].closing && peer[p].write > 0 && !peer[p].sealed && peer[p].written < MESSAGES -> peer[p].sealed = peer[p].write }
	:: d_step { peer[p].sealed > 0 && !peer[p].said -> send(p, data); last(p).epoch = peer[p].sealed; peer[p].sealed = 0; peer[p].written++ }
#else
	:: d_step { !peer[p].shut && peer[p].written < MESSAGES -> send(p, data); peer[p].written++ }
#endif
	:: d_step { p == CLIENT && begun < HANDSHAKES && peer[p].state == open && !peer[p].closing -> begin() }
	:: d_step { p == SERVER && asked < HANDSHAKES && is_open(p) -> asked++; send(p, hello_request) }
	:: d_step { peer[p].write > 0 && !peer[p].closing -> peer[p].closing = true; peer[p].shut = true }

	/* What the connection wants. */
	:: d_step { peer[p].state != confirming && nempty(inbox0[p]) -> inbox0[p]?i; saw(p, i); receive(p, i); i = 0 }
	:: d_step { nempty(inbox1[p]) -> inbox1[p]?i; saw(p, i); receive_data(p, i); i = 0 }
	:: d_step { peer[p].drain == drain_change && drained(p) -> change(p) }
	:: d_step { peer[p].drain == drain_close && drained(p) -> close_told(p) }
	:: d_step { finish_due(p) -> finish_now(p) }
	:: d_step { peer[p].state == confirming && dry(p) -> complete(p) }
	:: d_step { close_due(p) -> send(p, close_notify); peer[p].said = true }
	:: d_step { may_delete(p) -> delete(p) }

	/* SHUTDOWN. */
	:: peer[p].said && peer[p].told && dry(p) -> break
	od;
	assert(peer[p].delivered == peer[other(p)].written && peer[p].held == 0)
}

init {
	atomic {
		run Network(CLIENT);
		run Network(SERVER);
		run Program(CLIENT);
		run Program(SERVER)
	}
}
