package torch

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// highestProtocol is Python 3.8's; there has been no later one.
const highestProtocol = 5

// step runs one opcode.
func (u *unpickler) step(op byte) error {
	switch op {
	case 0x80: // PROTO
		v, err := u.number(1)
		if err == nil && v > highestProtocol {
			err = fmt.Errorf("%w: pickle protocol %d", ErrUnsupported, v)
		}
		return err
	case 0x95: // FRAME: a hint for readers of streams
		_, err := u.number(8)
		return err
	case '(':
		if len(u.marks) >= maxMark {
			return fmt.Errorf("%w: %d marks", ErrLimit, maxMark)
		}
		u.marks = append(u.marks, len(u.stack))
		return u.charge(16)
	case '0': // POP
		if len(u.marks) > 0 && u.floor() == len(u.stack) {
			_, err := u.popMark()
			return err
		}
		_, err := u.pop()
		return err
	case '1': // POP_MARK
		_, err := u.popMark()
		return err
	case '2': // DUP
		v, err := u.top()
		if err != nil {
			return err
		}
		return u.push(v)
	case 'N':
		return u.push(nil)
	case 0x88:
		return u.push(true)
	case 0x89:
		return u.push(false)
	case 'I', 'L', 'F', 'S', 'V':
		return u.textScalar(op)
	case 'J', 'K', 'M', 0x8a, 0x8b, 'G':
		return u.binaryScalar(op)
	case 'T', 'U', 'B', 'C', 0x8e, 0x96, 'X', 0x8c, 0x8d:
		return u.bytesOrText(op)
	case 'p', 'q', 'r', 0x94, 'g', 'h', 'j':
		return u.memoOp(op)
	case ']', 'l', 'a', 'e', 0x8f, 0x90, 0x91:
		return u.listOp(op)
	case '}', 'd', 's', 'u':
		return u.dictOp(op)
	case ')', 't', 0x85, 0x86, 0x87:
		return u.tupleOp(op)
	case 'c', 0x93, 'R', 0x81, 0x92, 'i', 'o', 'b', 'Q':
		return u.objectOp(op)
	}
	// P (PERSID) needs text ids, 0x82…0x84 a registry of extensions, 0x97 and 0x98 buffers beside the pickle.
	return fmt.Errorf("%w: unknown opcode", ErrUnsupported)
}

// pushed pushes a value unless making it failed.
func (u *unpickler) pushed(v any, err error) error {
	if err != nil {
		return err
	}
	return u.push(v)
}

func (u *unpickler) textScalar(op byte) error {
	s, err := u.line()
	if err != nil {
		return err
	}
	switch {
	case op == 'I' && s == "00":
		return u.push(false)
	case op == 'I' && s == "01":
		return u.push(true)
	case op == 'I':
		return u.pushed(decimal(s))
	case op == 'L':
		if n := len(s); n > 0 && s[n-1] == 'L' {
			s = s[:n-1]
		}
		return u.pushed(decimal(s))
	case op == 'F':
		return u.pushed(float(s))
	case op == 'S':
		return u.pushed(quoted(s))
	}
	return u.pushed(unescape(s, true))
}

func (u *unpickler) binaryScalar(op byte) error {
	switch op {
	case 'K':
		n, err := u.number(1)
		return u.pushed(int64(n), err)
	case 'M':
		n, err := u.number(2)
		return u.pushed(int64(n), err)
	case 'J':
		n, err := u.number(4)
		return u.pushed(int64(int32(n)), err)
	case 'G':
		b, err := u.take(8)
		if err != nil {
			return err
		}
		return u.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
	}
	width := 1 // LONG1
	if op == 0x8b {
		width = 4 // LONG4
	}
	b, err := u.counted(width)
	if err != nil {
		return err
	}
	return u.pushed(long(b))
}

func (u *unpickler) bytesOrText(op byte) error {
	width := 4 // T, B, X
	switch op {
	case 'U', 'C', 0x8c:
		width = 1
	case 0x8e, 0x96, 0x8d:
		width = 8
	}
	b, err := u.counted(width)
	if err != nil {
		return err
	}
	switch op {
	case 'B', 'C', 0x8e, 0x96:
		return u.push(slices.Clone(b))
	case 'T', 'U': // Python 2's str: text or bytes, nobody knows
		return u.push(string(b))
	}
	return u.push(text(b))
}

func (u *unpickler) memoOp(op byte) error {
	switch op {
	case 'q':
		return u.memoTop(u.number(1))
	case 'r':
		return u.memoTop(u.number(4))
	case 0x94: // MEMOIZE
		return u.memoTop(uint64(len(u.next)), nil)
	case 'h', 'j':
		width := 1
		if op == 'j' {
			width = 4
		}
		i, err := u.number(width)
		if err != nil {
			return err
		}
		return u.get(int(i))
	}
	s, err := u.line()
	if err != nil {
		return err
	}
	v, err := decimal(s)
	if err != nil {
		return err
	}
	i, ok := v.(int64)
	if !ok || i < 0 || i > 1<<31 {
		return fmt.Errorf("%w: memo %s", ErrFormat, s)
	}
	if op == 'p' {
		return u.memoTop(uint64(i), nil)
	}
	return u.get(int(i))
}

func (u *unpickler) listOp(op byte) error {
	switch op {
	case ']':
		if err := u.charge(48); err != nil {
			return err
		}
		return u.push(&list{})
	case 0x8f: // EMPTY_SET
		return u.push(&Object{Class: Class{"builtins", "set"}})
	case 'l', 0x91: // LIST, FROZENSET
		items, err := u.popMark()
		if err != nil {
			return err
		}
		items = slices.Clone(items)
		if op == 'l' {
			return u.push(&list{items})
		}
		return u.push(&Object{Class: Class{"builtins", "frozenset"}, List: items})
	}
	var items []any
	if op == 'a' {
		v, err := u.pop()
		if err != nil {
			return err
		}
		items = []any{v}
	} else {
		var err error
		if items, err = u.popMark(); err != nil {
			return err
		}
	}
	to, err := u.top()
	if err != nil {
		return err
	}
	if err := u.charge(32 * int64(len(items))); err != nil {
		return err
	}
	switch to := to.(type) {
	case *list:
		to.items = append(to.items, items...)
	case *Object:
		to.List = append(to.List, items...)
	default:
		return fmt.Errorf("%w: elements for a %T", ErrFormat, to)
	}
	return nil
}

func (u *unpickler) dictOp(op byte) error {
	var items []any
	var err error
	switch op {
	case '}':
		if err := u.charge(96); err != nil {
			return err
		}
		return u.push(&Dict{})
	case 's':
		n := len(u.stack) - 2
		if n < u.floor() {
			return errStack
		}
		items, u.stack = u.stack[n:], u.stack[:n]
	default:
		if items, err = u.popMark(); err != nil {
			return err
		}
	}
	if len(items)%2 != 0 {
		return fmt.Errorf("%w: a key without a value", ErrFormat)
	}
	var d *Dict
	if op == 'd' {
		d = &Dict{}
	} else {
		to, err := u.top()
		if err != nil {
			return err
		}
		switch to := to.(type) {
		case *Dict:
			d = to
		case *Object:
			if to.Items == nil {
				to.Items = &Dict{}
			}
			d = to.Items
		default:
			return fmt.Errorf("%w: items for a %T", ErrFormat, to)
		}
	}
	if err := u.fill(d, items); err != nil || op != 'd' {
		return err
	}
	return u.push(d)
}

// fill puts key, value, key, value… into d.
func (u *unpickler) fill(d *Dict, items []any) error {
	for i := 0; i+1 < len(items); i += 2 {
		h, err := hash(items[i])
		if err != nil {
			return err
		}
		// A long key costs time at each use, however short the opcode that repeats it.
		if err := u.charge(96 + cost(h)); err != nil {
			return err
		}
		d.put(h, items[i], items[i+1])
	}
	return nil
}

func (u *unpickler) tupleOp(op byte) error {
	n := 0
	switch op {
	case ')':
		return u.push(Tuple{})
	case 't':
		items, err := u.popMark()
		if err != nil {
			return err
		}
		return u.push(Tuple(slices.Clone(items)))
	case 0x85, 0x86, 0x87:
		n = int(op) - 0x84
	}
	at := len(u.stack) - n
	if at < u.floor() {
		return errStack
	}
	t := Tuple(slices.Clone(u.stack[at:]))
	u.stack = u.stack[:at]
	if err := u.charge(16 * int64(n)); err != nil {
		return err
	}
	return u.push(t)
}

func (u *unpickler) objectOp(op byte) error {
	switch op {
	case 'c':
		module, err := u.line()
		if err != nil {
			return err
		}
		name, err := u.line()
		if err != nil {
			return err
		}
		return u.pushed(u.global(module, name))
	case 0x93: // STACK_GLOBAL
		v, err := u.popN(2)
		if err != nil {
			return err
		}
		module, ok1 := v[0].(string)
		name, ok2 := v[1].(string)
		if !ok1 || !ok2 {
			return fmt.Errorf("%w: a class name that is no string", ErrFormat)
		}
		return u.pushed(u.global(module, name))
	case 'R', 0x81: // REDUCE, NEWOBJ
		v, err := u.popN(2)
		if err != nil {
			return err
		}
		args, ok := v[1].(Tuple)
		if !ok {
			return fmt.Errorf("%w: arguments that are no tuple", ErrFormat)
		}
		return u.pushed(u.call(v[0], args, nil))
	case 0x92: // NEWOBJ_EX
		v, err := u.popN(3)
		if err != nil {
			return err
		}
		args, ok1 := v[1].(Tuple)
		kwargs, ok2 := v[2].(*Dict)
		if !ok1 || !ok2 {
			return fmt.Errorf("%w: arguments that are no tuple and dict", ErrFormat)
		}
		return u.pushed(u.call(v[0], args, kwargs))
	case 'i', 'o': // INST, OBJ
		var c any
		if op == 'i' {
			module, err := u.line()
			if err != nil {
				return err
			}
			name, err := u.line()
			if err != nil {
				return err
			}
			if c, err = u.global(module, name); err != nil {
				return err
			}
		}
		items, err := u.popMark()
		if err != nil {
			return err
		}
		if op == 'o' {
			if len(items) == 0 {
				return errStack
			}
			c, items = items[0], items[1:]
		}
		return u.pushed(u.call(c, slices.Clone(items), nil))
	case 'b': // BUILD
		state, err := u.pop()
		if err != nil {
			return err
		}
		to, err := u.top()
		if err != nil {
			return err
		}
		return build(to, state)
	}
	id, err := u.pop() // BINPERSID
	if err != nil {
		return err
	}
	if u.persistent == nil {
		return fmt.Errorf("%w: a storage where none may be", ErrFormat)
	}
	if err := u.charge(256); err != nil {
		return err
	}
	return u.pushed(u.persistent(id))
}

// popN takes the n topmost values; they stay valid until the next push.
func (u *unpickler) popN(n int) ([]any, error) {
	at := len(u.stack) - n
	if at < u.floor() {
		return nil, errStack
	}
	v := u.stack[at:]
	u.stack = u.stack[:at]
	return v, nil
}
