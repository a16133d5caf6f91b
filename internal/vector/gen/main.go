// Command gen writes the assembly of package vector: avx2 and avx512 with avo, neon
// by itself. gen.sh calls it, go generate calls gen.sh.
//
// Every function is described in terms of the kernel of the same name in
// kernel.go of package vector. Callers have checked lengths; strides are
// multiples of 64 elements and n ≥ 1 unless a function says otherwise.
package main

import (
	"flag"
	"log"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	isa := flag.String("isa", "", "avx2, avx512 or neon")
	flag.Parse()
	ConstraintExpr("!noasm")
	if *isa == "neon" {
		if err := neon(flag.Lookup("out").Value.String(), flag.Lookup("stubs").Value.String()); err != nil {
			log.Fatal(err)
		}
		return
	}
	switch *isa {
	case "avx2":
		avx2()
	case "avx512":
		avx512()
	default:
		log.Fatalf("gen: -isa %q is not avx2, avx512 or neon", *isa)
	}
	Generate()
}

// Predicates of VCMPPS, quiet; ordered compares are false for what is no number.
const (
	ordered      = 0x07
	greaterEqual = 0x1d
	greater      = 0x1e
)

func text(name, signature string) {
	TEXT(name, NOSPLIT, "func"+signature)
	Pragma("noescape")
}

// arg loads a parameter into a general register.
func arg(name string) reg.GPVirtual {
	r := GP64()
	Load(Param(name), r)
	return r
}

// argAddr is the place of a parameter on the stack, to broadcast from.
func argAddr(name string) Mem { return resolve(Param(name)) }

func resolve(c gotypes.Component) Mem {
	b, err := c.Resolve()
	if err != nil {
		log.Fatal(err)
	}
	return b.Addr
}

// add is a short form: as 32 bits, an immediate is never read as negative.
func add(by int, r Op) { ADDQ(U32(uint32(by)), r) }

func ret() {
	VZEROUPPER()
	RET()
}

// loop runs body, which must make progress, while n > 0 after taking by off n.
func loop(label string, n reg.Register, by int, body func()) {
	Label(label)
	body()
	SUBQ(Imm(uint64(by)), n)
	JNZ(LabelRef(label))
}

// vpdpbusd is acc += Σ of four products of signed bytes with unsigned bytes; avo does not know VNNI.
func vpdpbusd(signed, unsigned, acc Op) {
	unknown("VPDPBUSD", []Op{signed, unsigned, acc}, signed, unsigned, acc)
}

// vpopcntb counts the bits of each byte; avo does not know BITALG.
func vpopcntb(from, to Op) { unknown("VPOPCNTB", []Op{from}, from, to) }

// unknown is an instruction that avo does not know, whose last operand is what it writes.
func unknown(opcode string, inputs []Op, operands ...Op) {
	Instruction(&ir.Instruction{Opcode: opcode, Operands: operands, Inputs: inputs, Outputs: operands[len(operands)-1:]})
}

// rows addresses up to 20 rows from few registers: 9 from each base with the
// multiples 0…8 of the stride.
type rows struct {
	base []reg.GPVirtual
	mult [4]reg.GPVirtual // 1, 3, 5, 7 × stride
}

func newRows(first, stride reg.GPVirtual, n int) *rows {
	r := &rows{base: []reg.GPVirtual{first}}
	r.mult[0] = stride
	for i := 1; i < 4 && n > 3; i++ {
		r.mult[i] = GP64()
		LEAQ(Mem{Base: r.mult[i-1], Index: stride, Scale: 2}, r.mult[i])
	}
	if n <= 3 && n > 1 {
		r.mult[1] = stride
	}
	for b := 9; b < n; b += 9 {
		p := GP64()
		LEAQ(Mem{Base: r.base[len(r.base)-1], Index: stride, Scale: 8}, p)
		ADDQ(stride, p)
		r.base = append(r.base, p)
	}
	return r
}

func (r *rows) at(i, disp int) Mem {
	m := Mem{Base: r.base[i/9], Disp: disp}
	switch k := i % 9; k {
	case 0:
	case 1, 2, 4, 8:
		m.Index, m.Scale = r.mult[0], uint8(k)
	case 6:
		m.Index, m.Scale = r.mult[1], 2
	default: // 3, 5, 7
		m.Index, m.Scale = r.mult[k/2], 1
	}
	return m
}

func (r *rows) advance(by int) {
	for _, b := range r.base {
		add(by, b)
	}
}
