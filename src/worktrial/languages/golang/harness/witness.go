// Package witness tells from inside a test binary what each test did, on a stream that only the parent reads.
//
// It is compiled into the binary under a name made for one run, as if it were of the standard library, and imports next
// to nothing: so it is set up before any package that could look for its stream or its key. Every line is numbered and
// signed; what is written on the stream by anybody else is seen as such.
package witness

import (
	"runtime"
	"syscall"
	"unsafe"
)

// Test is what tests and fuzz tests have.
type Test interface {
	Cleanup(func())
	Failed() bool
	Skipped() bool
	SkipNow()
}

type counted struct {
	file   int
	counts []uint32
	places []uint32
}

var (
	stream   = -1
	key      [2]uint64
	lines    int
	deadline int64 // microseconds; 0: none
	turn     = make(chan struct{}, 1)
	files    []counted
	tests    = map[unsafe.Pointer]int{} // by address, begun ones
	failures = map[int]bool{}           // of those, and of -1: of tests that nobody knows
)

func init() {
	number, ok := syscall.Getenv("WORKTRIAL_REPORT_FD")
	if !ok {
		return
	}
	// What a test starts, itself among it, has no part in this.
	syscall.Unsetenv("WORKTRIAL_REPORT_FD")
	given := order()
	syscall.Close(0)
	syscall.Open("/dev/null", syscall.O_RDONLY, 0) // takes the lowest number: standard input
	if len(given) < 34 {
		return
	}
	key[0], key[1] = hexadecimal(given[:16]), hexadecimal(given[16:32])
	if left := decimal(given[33:]); left > 0 {
		deadline = now() + left*1000
	}
	stream = int(decimal([]byte(number)))
	syscall.CloseOnExec(stream)
	say("i")
}

// order reads the line on standard input: the key and the milliseconds in which tests may begin, 0 for all the time.
func order() []byte {
	var given []byte
	var one [1]byte
	for len(given) < 64 {
		count, err := syscall.Read(0, one[:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil || count != 1 || one[0] == '\n' {
			break
		}
		given = append(given, one[0])
	}
	return given
}

// Begin is called first in the body of a test. It ends a test that comes after the time is over.
func Begin(test Test, number int, name string) {
	if deadline != 0 && now() > deadline {
		say("o " + text(number))
		test.SkipNow()
	}
	check(number, name)
	begin(number)
	turn <- struct{}{}
	tests[address(test)] = number // kept for good, so that nothing else comes to have its address
	<-turn
	// Registered first, run last: when all that belongs to the test has come to its end.
	test.Cleanup(func() { result(test, number) })
}

// Start is called first in the body of an example.
func Start(number int, name string) {
	check(number, name)
	begin(number)
}

func begin(number int) {
	for _, file := range files {
		clear(file.counts)
	}
	say("b " + text(number))
}

// Done is called when the body of a test has come to its end.
func Done(test Test, number int, name string) {
	check(number, name)
	if !known(test, number) {
		say("x " + text(number))
	}
	if test.Failed() {
		say("f " + text(number)) // nothing that is honest takes that back
	}
	say("e " + text(number))
}

// End is called when the body of an example has come to its end.
func End(number int, name string) {
	check(number, name)
	say("e " + text(number))
}

// Count hands over the counters of a file's blocks; of `places`, three numbers each, the first two are lines.
func Count(file int, counts, places []uint32) {
	files = append(files, counted{file, counts, places})
}

func result(test Test, number int) {
	for _, file := range files {
		for at, count := range file.counts {
			if count != 0 && stream >= 0 {
				first, last := int(file.places[3*at]), int(file.places[3*at+1])
				say("l " + text(number) + " " + text(file.file) + " " + text(first) + " " + text(last))
			}
		}
	}
	// Somebody may be about to fail who has said so already.
	for until := now() + 1000000; hasFailed(number) && !test.Failed() && now() < until; {
		runtime.Gosched()
	}
	status := "p"
	if test.Failed() {
		status = "f"
	} else if test.Skipped() {
		status = "s"
	}
	say("r " + text(number) + " " + status)
}

// failed is called by `testing` when a test is about to fail. It returns whether that is one that has begun.
//
//go:linkname failed worktrial.failed
func failed(test unsafe.Pointer) bool {
	if stream < 0 {
		return true
	}
	turn <- struct{}{}
	number, known := tests[test]
	<-turn
	if known {
		fail(number, "d "+text(number))
	}
	return known
}

// strayed is called by `testing` when what is about to fail belongs to no test that has begun.
//
//go:linkname strayed worktrial.strayed
func strayed() {
	fail(-1, "u")
}

// fail says what it is told, the first time.
func fail(number int, what string) {
	turn <- struct{}{}
	if !failures[number] {
		failures[number] = true
		write(what)
	}
	<-turn
}

func hasFailed(number int) bool {
	turn <- struct{}{}
	defer func() { <-turn }()
	return failures[number]
}

func known(test Test, number int) bool {
	turn <- struct{}{}
	defer func() { <-turn }()
	begun, known := tests[address(test)]
	return known && begun == number
}

// address returns where a test is, which is where the part of it is that all kinds of tests have in common.
func address(test Test) unsafe.Pointer {
	return (*[2]unsafe.Pointer)(unsafe.Pointer(&test))[1]
}

// check says so when it is not the body of the test that called.
func check(number int, name string) {
	var callers [1]uintptr
	runtime.Callers(3, callers[:]) // of what is exported here
	if frame, _ := runtime.CallersFrames(callers[:]).Next(); !ends(frame.Function, "."+name) {
		say("x " + text(number))
	}
}

func say(what string) {
	turn <- struct{}{}
	write(what)
	<-turn
}

// write is for whoever has the turn.
func write(what string) {
	if stream < 0 {
		return
	}
	signed := text(lines) + " " + what
	lines++
	line := []byte(hex(siphash(key, []byte(signed))) + " " + signed + "\n")
	for len(line) > 0 {
		count, err := syscall.Write(stream, line)
		if err == syscall.EINTR || err == syscall.EAGAIN {
			continue
		}
		if err != nil {
			break
		}
		line = line[count:]
	}
}

func now() int64 {
	var at syscall.Timeval
	syscall.Gettimeofday(&at)
	return int64(at.Sec)*1000000 + int64(at.Usec)
}

func ends(text, end string) bool {
	return len(text) >= len(end) && text[len(text)-len(end):] == end
}

func text(number int) string {
	if number < 10 {
		return string(rune('0' + number))
	}
	return text(number/10) + text(number%10)
}

func decimal(digits []byte) int64 {
	var number int64
	for _, digit := range digits {
		if digit >= '0' && digit <= '9' {
			number = number*10 + int64(digit-'0')
		}
	}
	return number
}

const digits = "0123456789abcdef"

func hexadecimal(text []byte) uint64 {
	var number uint64
	for _, letter := range text {
		for value := range digits {
			if digits[value] == letter {
				number = number<<4 | uint64(value)
			}
		}
	}
	return number
}

func hex(number uint64) string {
	var out [16]byte
	for at := range out {
		out[at] = digits[number>>(60-4*at)&15]
	}
	return string(out[:])
}

// siphash is SipHash-2-4 (Aumasson and Bernstein, 2012), which no package this early has.
func siphash(key [2]uint64, data []byte) uint64 {
	v := [4]uint64{
		key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
		key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573,
	}
	last := uint64(len(data)) << 56
	for ; len(data) >= 8; data = data[8:] {
		var word uint64
		for at := range 8 {
			word |= uint64(data[at]) << (8 * at)
		}
		v[3] ^= word
		rounds(&v, 2)
		v[0] ^= word
	}
	for at := range data {
		last |= uint64(data[at]) << (8 * at)
	}
	v[3] ^= last
	rounds(&v, 2)
	v[0] ^= last
	v[2] ^= 0xff
	rounds(&v, 4)
	return v[0] ^ v[1] ^ v[2] ^ v[3]
}

func rounds(v *[4]uint64, count int) {
	for range count {
		v[0] += v[1]
		v[1] = v[1]<<13 | v[1]>>51
		v[1] ^= v[0]
		v[0] = v[0]<<32 | v[0]>>32
		v[2] += v[3]
		v[3] = v[3]<<16 | v[3]>>48
		v[3] ^= v[2]
		v[0] += v[3]
		v[3] = v[3]<<21 | v[3]>>43
		v[3] ^= v[0]
		v[2] += v[1]
		v[1] = v[1]<<17 | v[1]>>47
		v[1] ^= v[2]
		v[2] = v[2]<<32 | v[2]>>32
	}
}
