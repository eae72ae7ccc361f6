package testplan

import "sync"

// memo remembers the values of a pure function by what they depend on. When it has most of them it begins anew. Its values are
// shared: nobody changes one.
type memo[T any] struct {
	most int

	mu    sync.Mutex
	known map[string]*T
}

// of is the value for key, which compute gives where it is not known.
func (m *memo[T]) of(key string, compute func() *T) *T {
	m.mu.Lock()
	v := m.known[key]
	m.mu.Unlock()
	if v != nil {
		return v
	}
	v = compute()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || len(m.known) >= m.most {
		m.known = map[string]*T{}
	}
	m.known[key] = v
	return v
}
