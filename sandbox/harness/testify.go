// Stands for the part of testify that published tests use: `assert` and `require` are variables whose
// methods are called as the packages' functions are.
package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
)

var assert verdictPackage
var require = verdictPackage{fatal: true}

type verdictPackage struct{ fatal bool }

type verdictAssertions struct {
	t     testing.TB
	fatal bool
}

func (p verdictPackage) New(t testing.TB) *verdictAssertions {
	return &verdictAssertions{t, p.fatal}
}

func (a *verdictAssertions) check(ok bool, format string, values ...interface{}) bool {
	if ok {
		return true
	}
	a.t.Helper()
	fmt.Fprintf(os.Stderr, "AssertionError: "+format+"\n", values...)
	if a.fatal {
		a.t.FailNow()
	}
	a.t.Fail()
	return false
}

func verdictEqual(expected, actual interface{}) bool {
	want, isBytes := expected.([]byte)
	got, areBytes := actual.([]byte)
	if isBytes && areBytes && want != nil && got != nil {
		return bytes.Equal(want, got)
	}
	return reflect.DeepEqual(expected, actual)
}

func verdictIsNil(value interface{}) bool {
	if value == nil {
		return true
	}
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.Chan, reflect.Func, reflect.Map, reflect.Ptr, reflect.Slice, reflect.Interface:
		return v.IsNil()
	}
	return false
}

func verdictLen(value interface{}) int {
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.Array, reflect.Chan, reflect.Map, reflect.Slice, reflect.String:
		return v.Len()
	}
	return -1
}

func verdictFloat(value interface{}) float64 {
	v := reflect.ValueOf(value)
	switch {
	case v.Kind() >= reflect.Int && v.Kind() <= reflect.Int64:
		return float64(v.Int())
	case v.Kind() >= reflect.Uint && v.Kind() <= reflect.Uintptr:
		return float64(v.Uint())
	case v.Kind() == reflect.Float32 || v.Kind() == reflect.Float64:
		return v.Float()
	}
	return math.NaN()
}

func verdictSameElements(a, b interface{}) bool {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	if verdictLen(a) < 0 || verdictLen(a) != verdictLen(b) {
		return false
	}
	used := make([]bool, y.Len())
	for i := 0; i < x.Len(); i++ {
		found := false
		for j := 0; j < y.Len() && !found; j++ {
			if !used[j] && verdictEqual(x.Index(i).Interface(), y.Index(j).Interface()) {
				used[j], found = true, true
			}
		}
		if !found {
			return false
		}
	}
	return true
}

func verdictContains(container, element interface{}) bool {
	c := reflect.ValueOf(container)
	switch c.Kind() {
	case reflect.String:
		part, ok := element.(string)
		return ok && strings.Contains(c.String(), part)
	case reflect.Map:
		return c.MapIndex(reflect.ValueOf(element)).IsValid()
	case reflect.Array, reflect.Slice:
		for i := 0; i < c.Len(); i++ {
			if verdictEqual(c.Index(i).Interface(), element) {
				return true
			}
		}
	}
	return false
}

func (a *verdictAssertions) Equal(expected, actual interface{}, _ ...interface{}) bool {
	a.t.Helper()
	return a.check(verdictEqual(expected, actual), "expected %#v, got %#v", expected, actual)
}

func (a *verdictAssertions) EqualValues(expected, actual interface{}, _ ...interface{}) bool {
	a.t.Helper()
	same := verdictEqual(expected, actual)
	if !same && expected != nil && actual != nil {
		to, from := reflect.TypeOf(expected), reflect.ValueOf(actual)
		same = from.Type().ConvertibleTo(to) && verdictEqual(expected, from.Convert(to).Interface())
	}
	return a.check(same, "expected %#v, got %#v", expected, actual)
}

func (a *verdictAssertions) NotEqual(expected, actual interface{}, _ ...interface{}) bool {
	a.t.Helper()
	return a.check(!verdictEqual(expected, actual), "should not be %#v", actual)
}

func (a *verdictAssertions) True(value bool, _ ...interface{}) bool {
	a.t.Helper()
	return a.check(value, "should be true")
}

func (a *verdictAssertions) False(value bool, _ ...interface{}) bool {
	a.t.Helper()
	return a.check(!value, "should be false")
}

func (a *verdictAssertions) Nil(value interface{}, _ ...interface{}) bool {
	a.t.Helper()
	return a.check(verdictIsNil(value), "should be nil, is %#v", value)
}

func (a *verdictAssertions) NotNil(value interface{}, _ ...interface{}) bool {
	a.t.Helper()
	return a.check(!verdictIsNil(value), "should not be nil")
}

func (a *verdictAssertions) NoError(err error, _ ...interface{}) bool {
	a.t.Helper()
	return a.check(err == nil, "unexpected error: %v", err)
}

func (a *verdictAssertions) Error(err error, _ ...interface{}) bool {
	a.t.Helper()
	return a.check(err != nil, "an error is expected")
}

func (a *verdictAssertions) Len(value interface{}, length int, _ ...interface{}) bool {
	a.t.Helper()
	return a.check(verdictLen(value) == length, "expected length %d, got %#v", length, value)
}

func (a *verdictAssertions) Empty(value interface{}, _ ...interface{}) bool {
	a.t.Helper()
	empty := verdictIsNil(value) || verdictLen(value) == 0 || reflect.ValueOf(value).IsZero()
	return a.check(empty, "should be empty, is %#v", value)
}

func (a *verdictAssertions) Contains(container, element interface{}, _ ...interface{}) bool {
	a.t.Helper()
	return a.check(verdictContains(container, element), "%#v does not contain %#v", container, element)
}

func (a *verdictAssertions) ElementsMatch(expected, actual interface{}, _ ...interface{}) bool {
	a.t.Helper()
	return a.check(verdictSameElements(expected, actual), "expected in any order %#v, got %#v", expected, actual)
}

func (a *verdictAssertions) InDelta(expected, actual interface{}, delta float64, _ ...interface{}) bool {
	a.t.Helper()
	difference := math.Abs(verdictFloat(expected) - verdictFloat(actual))
	return a.check(difference <= delta, "expected %v within %v, got %v", expected, delta, actual)
}

func (p verdictPackage) Equal(t testing.TB, expected, actual interface{}, _ ...interface{}) bool {
	t.Helper()
	return p.New(t).Equal(expected, actual)
}

func (p verdictPackage) EqualValues(t testing.TB, expected, actual interface{}, _ ...interface{}) bool {
	t.Helper()
	return p.New(t).EqualValues(expected, actual)
}

func (p verdictPackage) NotEqual(t testing.TB, expected, actual interface{}, _ ...interface{}) bool {
	t.Helper()
	return p.New(t).NotEqual(expected, actual)
}

func (p verdictPackage) True(t testing.TB, value bool, _ ...interface{}) bool {
	t.Helper()
	return p.New(t).True(value)
}

func (p verdictPackage) False(t testing.TB, value bool, _ ...interface{}) bool {
	t.Helper()
	return p.New(t).False(value)
}

func (p verdictPackage) Nil(t testing.TB, value interface{}, _ ...interface{}) bool {
	t.Helper()
	return p.New(t).Nil(value)
}

func (p verdictPackage) NotNil(t testing.TB, value interface{}, _ ...interface{}) bool {
	t.Helper()
	return p.New(t).NotNil(value)
}

func (p verdictPackage) NoError(t testing.TB, err error, _ ...interface{}) bool {
	t.Helper()
	return p.New(t).NoError(err)
}

func (p verdictPackage) Error(t testing.TB, err error, _ ...interface{}) bool {
	t.Helper()
	return p.New(t).Error(err)
}

func (p verdictPackage) Len(t testing.TB, value interface{}, length int, _ ...interface{}) bool {
	t.Helper()
	return p.New(t).Len(value, length)
}

func (p verdictPackage) Empty(t testing.TB, value interface{}, _ ...interface{}) bool {
	t.Helper()
	return p.New(t).Empty(value)
}

func (p verdictPackage) Contains(t testing.TB, container, element interface{}, _ ...interface{}) bool {
	t.Helper()
	return p.New(t).Contains(container, element)
}

func (p verdictPackage) ElementsMatch(t testing.TB, expected, actual interface{}, _ ...interface{}) bool {
	t.Helper()
	return p.New(t).ElementsMatch(expected, actual)
}

func (p verdictPackage) InDelta(t testing.TB, expected, actual interface{}, delta float64, _ ...interface{}) bool {
	t.Helper()
	return p.New(t).InDelta(expected, actual, delta)
}
