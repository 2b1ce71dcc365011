/*
 * SCTP between two peers, as far as rekey.pml and keyupdate.pml need it; they include this.
 *
 * Stream 0 is for handshakes and alerts, another one for application data, each ordered in itself, neither in order with the
 * other. A lost packet is one that arrives later. A SACK comes with what has arrived, or is lost, and then comes when
 * something has to be sent again.
 *
 * Whoever includes it has defined Chunk, with a type that may be data; CHUNKS and MESSAGES; and
 *   takes(p, c)     the receiver of what p sends takes this chunk, for it has the key
 *   repeats(p)      of what p sends again, the receiver takes the first, and so acknowledges all it has
 *   overtakes(p)    says what must not be when the next chunk of the other stream arrives
 *   TWO_QUEUES      the program may look at either stream first
 */

#define other(p) (1 - (p))

/* What one side has sent. */
typedef Direction {
	Chunk chunk[CHUNKS];
	byte sent;
	byte next0;       /* the next one of stream 0 that has not arrived */
	byte next1;       /* the next one of the other stream */
	byte acked        /* so many, without a gap, are acknowledged */
}

Direction from[2];

/* What the kernel has for the program. */
chan inbox0[2] = [CHUNKS] of { byte };
#ifdef TWO_QUEUES
chan inbox1[2] = [MESSAGES] of { byte };
#else
#define inbox1 inbox0
#endif

#define got(p, i) from[other(p)].chunk[i]
#define dry(p) (from[p].acked == from[p].sent)

/* Before this chunk all of the same direction have arrived. */
#define whole(p) (from[p].next0 < from[p].next1 -> from[p].next0 : from[p].next1)

/* advance lets next0 and next1 point at chunks of their stream, or behind all. */
inline advance(p) {
	do
	:: from[p].next0 < from[p].sent && from[p].chunk[from[p].next0].type == data -> from[p].next0++
	:: else -> break
	od;
	do
	:: from[p].next1 < from[p].sent && from[p].chunk[from[p].next1].type != data -> from[p].next1++
	:: else -> break
	od;
	skip /* a d_step must not end with a break */
}

#define arrives(p, n) (n < from[p].sent && takes(p, from[p].chunk[n]))

inline arrive0(p) { inbox0[other(p)]!from[p].next0; from[p].next0++; advance(p) }
inline arrive1(p) { overtakes(p); inbox1[other(p)]!from[p].next1; from[p].next1++; advance(p) }
inline acknowledge(p) { from[p].acked = whole(p) }

proctype Network(bit p) {
end:	do
	:: d_step { arrives(p, from[p].next0) -> arrive0(p) }
	:: d_step { arrives(p, from[p].next0) -> arrive0(p); acknowledge(p) }
	:: d_step { arrives(p, from[p].next1) -> arrive1(p) }
	:: d_step { arrives(p, from[p].next1) -> arrive1(p); acknowledge(p) }
	:: d_step { from[p].acked < whole(p) && repeats(p) -> acknowledge(p) }
	od
}
