package qemu

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
)

// qmpLine bounds one line of the monitor, in bytes.
const qmpLine = 4 << 20

// qmpEvent is an event QEMU sent (docs/interop/qmp-spec: "event", "data").
type qmpEvent struct {
	Name string          `json:"event"`
	Data json.RawMessage `json:"data"`
}

// qmpReply is what QEMU answered to one command.
type qmpReply struct {
	ret json.RawMessage
	err error
}

// qmp is a connection to QEMU's monitor. Commands may be sent from several goroutines.
type qmp struct {
	conn    net.Conn
	onEvent func(qmpEvent)

	mu      sync.Mutex
	next    int
	pending map[int]chan qmpReply
	err     error // why the connection ended

	done chan struct{}
}

// dialQMP takes a connected monitor, reads its greeting and enters command mode. onEvent is called for every event, from
// the connection's own goroutine, and must not block.
func dialQMP(ctx context.Context, conn net.Conn, onEvent func(qmpEvent)) (*qmp, error) {
	q := &qmp{conn: conn, onEvent: onEvent, pending: map[int]chan qmpReply{}, done: make(chan struct{})}
	go q.read()
	// The greeting needs no answer; commands before it are queued by the socket.
	if _, err := q.command(ctx, "qmp_capabilities", nil); err != nil {
		q.close()
		return nil, err
	}
	return q, nil
}

func (q *qmp) read() {
	defer close(q.done)
	sc := bufio.NewScanner(q.conn)
	sc.Buffer(make([]byte, 0, 64<<10), qmpLine)
	for sc.Scan() {
		var m struct {
			ID     *int            `json:"id"`
			Return json.RawMessage `json:"return"`
			Error  *struct {
				Desc string `json:"desc"`
			} `json:"error"`
			qmpEvent
		}
		if err := json.Unmarshal(sc.Bytes(), &m); err != nil {
			q.fail(fmt.Errorf("read monitor: %w", err))
			return
		}
		switch {
		case m.Name != "":
			q.onEvent(m.qmpEvent)
		case m.ID != nil:
			r := qmpReply{ret: m.Return}
			if m.Error != nil {
				r.err = errors.New(m.Error.Desc)
			}
			q.mu.Lock()
			ch := q.pending[*m.ID]
			delete(q.pending, *m.ID)
			q.mu.Unlock()
			if ch != nil {
				ch <- r
			}
		}
	}
	err := sc.Err()
	if err == nil {
		err = errors.New("connection closed")
	}
	q.fail(fmt.Errorf("read monitor: %w", err))
}

func (q *qmp) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	for id, ch := range q.pending {
		ch <- qmpReply{err: q.err}
		delete(q.pending, id)
	}
}

// command sends one command and waits for its answer.
func (q *qmp) command(ctx context.Context, name string, args any) (json.RawMessage, error) {
	ch := make(chan qmpReply, 1)
	q.mu.Lock()
	if q.err != nil {
		defer q.mu.Unlock()
		return nil, fmt.Errorf("monitor %s: %w", name, q.err)
	}
	q.next++
	id := q.next
	q.pending[id] = ch
	q.mu.Unlock()
	line, err := json.Marshal(struct {
		Execute   string `json:"execute"`
		Arguments any    `json:"arguments,omitempty"`
		ID        int    `json:"id"`
	}{name, args, id})
	if err != nil {
		return nil, fmt.Errorf("monitor %s: %w", name, err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = q.conn.SetWriteDeadline(deadline)
	}
	if _, err := q.conn.Write(append(line, '\n')); err != nil {
		q.fail(err)
	}
	select {
	case r := <-ch:
		if r.err != nil {
			return nil, fmt.Errorf("monitor %s: %w", name, r.err)
		}
		return r.ret, nil
	case <-ctx.Done():
		q.mu.Lock()
		delete(q.pending, id)
		q.mu.Unlock()
		return nil, fmt.Errorf("monitor %s: no answer: %w", name, ctx.Err())
	}
}

// human runs a command of the human monitor and returns what it printed.
func (q *qmp) human(ctx context.Context, line string) (string, error) {
	ret, err := q.command(ctx, "human-monitor-command", map[string]string{"command-line": line})
	if err != nil {
		return "", err
	}
	var out string
	if err := json.Unmarshal(ret, &out); err != nil {
		return "", fmt.Errorf("monitor %s: %w", line, err)
	}
	return out, nil
}

// refusal is what QEMU says when it does not do what it was asked for, in one line.
type refusal string

func (r refusal) Error() string { return string(r) }

// silent runs a command of the human monitor that prints only when it fails (savevm, loadvm): that is a refusal.
func (q *qmp) silent(ctx context.Context, line string) error {
	out, err := q.human(ctx, line)
	if said := strings.Join(strings.Fields(out), " "); err == nil && said != "" {
		err = refusal(said)
	}
	return err
}

func (q *qmp) close() {
	_ = q.conn.Close()
	<-q.done
}
