package printable

import (
	"encoding/json"
	"testing"
)

// TestText holds what a terminal gets.
func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"orders":                 "orders",
		"größe 尺寸 👍":             "größe 尺寸 👍",
		"\x1b[31mred\x07":        `\x1b[31mred\x07`,
		"a\nb\tc\rd":             `a\nb\tc\rd`,
		"\x9b31m":                `\x9b31m`,   // no UTF-8: an 8-bit terminal's CSI
		"\u009b31m":              `\u009b31m`, // the same in UTF-8
		"user\u202etxt.exe":      `user\u202etxt.exe`,
		"a\u00a0b\u2028c":        `a\u00a0b\u2028c`,
		"\x7f":                   `\x7f`,
		"\ufffd":                 "\ufffd",
		"tag\U000e0041":          `tag\U000e0041`,
		"back\\slash \"quote\" ": "back\\slash \"quote\" ",
	} {
		if got := Text(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := Lines("a\n\tb\x1b\n"); got != "a\n\tb\\x1b\n" {
		t.Errorf("%q", got)
	}
}

// TestJSON holds that JSON means the same afterwards.
func TestJSON(t *testing.T) {
	in := "\x1b \u009b \u202e \x7f \U000e0041 \u2028 größe \n \\ \""
	encoded, err := json.MarshalIndent(map[string]string{"a": in}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text := JSON(string(encoded))
	for _, r := range text {
		if r != '\n' && !safe(r) {
			t.Errorf("%q is left in %q", r, text)
		}
	}
	var out map[string]string
	if err := json.Unmarshal([]byte(text), &out); err != nil || out["a"] != in {
		t.Errorf("%q, %v: want %q", out["a"], err, in)
	}
}
