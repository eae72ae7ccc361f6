package series

import (
	"context"
	"errors"

	"github.com/go-git/go-git/v5/plumbing"
)

// trialBytes is how much what Try makes may take in memory before it is let go.
const trialBytes = 256 << 20

// Try is Prefixes without storing anything: it says how the patches would go on, in any order, and what tree
// and commit each prefix would be, which only Prefixes makes. It is for searching among subsets: what they
// have in common is applied once.
func (s *Source) Try(ctx context.Context, patches []*Patch, o ApplyOptions) ([]Variant, error) {
	return s.tried().prefixes(ctx, patches, o)
}

// tried is a Source on top of s whose objects are in memory only. It is replaced when it has grown large;
// whoever has the old one keeps it.
func (s *Source) tried() *Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trial == nil || s.trial.objects.pendingBytes() > trialBytes {
		s.trial = &Source{
			repo: s.repo, dir: s.dir, commit: s.commit, tree: s.tree,
			objects: newObjects(nil, s.objects), steps: map[stepKey]outcome{},
		}
	}
	return s.trial
}

// object is part of backend, for objects on top of these.
func (o *objects) object(ctx context.Context, id plumbing.Hash) (plumbing.ObjectType, []byte, error) {
	obj, err := o.load(ctx, id)
	return obj.kind, obj.data, err
}

func (o *objects) close() error {
	err := o.base.close()
	if o.own != nil {
		err = errors.Join(err, o.own.close())
	}
	return err
}

// source is the backend below all layers.
func (o *objects) source() backend {
	b := o.base
	for {
		below, ok := b.(*objects)
		if !ok {
			return b
		}
		b = below.base
	}
}

// copyPending adds to all the new objects that are only in memory.
func (o *objects) copyPending(all map[plumbing.Hash]gitObject) {
	if below, ok := o.base.(*objects); ok {
		below.copyPending(all)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, obj := range o.pending {
		all[id] = obj
	}
}

func (o *objects) pendingBytes() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.newBytes
}
