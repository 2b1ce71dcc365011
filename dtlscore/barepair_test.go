package dtlscore

// A barePair is a connection with the smallest possible driver.
type barePair struct {
	ends  [2]*Conn // client and server
	inbox [2][][]byte
}

// newBarePair makes a handshake, which must succeed.
func newBarePair(client, server *Config) *barePair {
	p := &barePair{ends: [2]*Conn{must(Client(client)), must(Server(server))}}
	for i, c := range p.ends {
		must(0, c.Start())
		p.obey(i)
	}
	for len(p.inbox[0])+len(p.inbox[1]) > 0 {
		for i := range p.ends {
			for len(p.inbox[i]) > 0 {
				p.receive(i)
				p.obey(i)
			}
		}
	}
	for _, c := range p.ends {
		if !c.ConnectionState().HandshakeComplete {
			panic("the handshake is not complete")
		}
	}
	return p
}

func (p *barePair) receive(i int) {
	record := p.inbox[i][0]
	p.inbox[i] = p.inbox[i][1:]
	must(p.ends[i].Receive(record, true, Tag{}))
}

func (p *barePair) obey(i int) {
	for e := p.ends[i].NextEvent(); e.Kind != EventNone; e = p.ends[i].NextEvent() {
		switch e.Kind {
		case EventSend:
			p.inbox[1-i] = append(p.inbox[1-i], e.Data)
		case EventReadPending:
			for len(p.inbox[i]) > 0 {
				p.receive(i)
			}
			must(0, p.ends[i].PendingRead())
		}
	}
}

// quickHandshake makes a handshake, which must succeed.
func quickHandshake(client, server *Config) (c, s ConnectionState) {
	p := newBarePair(client, server)
	return p.ends[0].ConnectionState(), p.ends[1].ConnectionState()
}
