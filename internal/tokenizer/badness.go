package tokenizer

import (
	"regexp"
	"strings"
	"sync"
)

// Kinds of characters that occur in wrongly decoded UTF-8, as ranges of a character class. They are ftfy's: what
// counts as bad has to be the same.
var kinds = map[string]string{
	"common":   `\x{a0}\x{ad}´·–-―’…`,
	"c1":       `\x{80}-\x{9f}`,
	"bad":      `¤¦¨ª¬¯¸ºƒˆˇ˘˛˜†‡‰⌐◊\x{fffd}`,
	"law":      `§¶`,
	"currency": `¢£¥₧€`,
	"start":    `¡©«¿΄΅‘‚“„•‹\x{f8ff}`,
	"end":      `®»˝”›™`,
	"numeric":  `±-³µ¹¼-¾×÷⁄№∂∆∏∑√∞∩∫≈≠≡≤≥`,
	"kaomoji":  `°Ò-ÖÙ-Üò-öø-üŌŐŪŲ`,
	"Accent":   `À-ÑØÜÝĀĂĄĆČĎĐĒĖĘĚĞĢĪİĶĹĻĽŁŃŅŇŒŘŚŞŠŢŤŮŰŸŹŻŽҐ`,
	"accent":   `ß-ñüāăąćčďđēėęěğģīįķĺļľłœŕśşšťźżžґﬁﬂ`,
	"Letter":   `ÞΆΈ-ΊΌΎΏΑ-ΫЁ-Я`,
	"letter":   `ά-ωа-џ`,
	"box":      `│┌┐┘├┤┬┼═-╬▀▄█▌▐-▓`,
	"space":    `\t-\r\x1c-\x20\x{85}\p{Z}`,
	"word":     `\p{L}\p{N}_`,
}

// badSequences are what hardly anybody writes on purpose. Every field is one character: of the kinds named in {}, or
// of the class in [], or itself. "_" is a space.
var badSequences = []string{
	"{c1}",
	"{bad accent Accent box start end currency numeric law} {bad}",
	"[a-zA-Z] {letter Letter} {bad}",
	"{bad} {accent Accent box start end currency numeric law}",
	"{accent letter box end currency numeric} {Accent}",
	"{box end currency numeric} {accent}",
	"{accent box end} {currency}",
	"{space} {Accent} {currency}",
	"{Accent box} {numeric law}",
	"{accent Accent box currency end} {start} {numeric}",
	"{accent Accent currency numeric box law} {end} {start}",
	"{currency numeric box} {start}",
	"[a-z] {Accent} {start currency}",
	"{box} {kaomoji}",
	"{accent Accent currency numeric start end law} {box}",
	"{box} {end}",
	"{accent Accent} {start end} {word}",
	"[Œœ] [^A-Za-z]",
	"{Accent} °",
	// Windows-1252, two characters
	`[ÂÃÎÐ] [€œŠš¢£Ÿž\x{a0}\x{ad}®©°·»{start}{end}–—´]`,
	"× [²³]",
	// of Arabic, four characters, because common ones are among them
	"[ØÙ] [{common}{currency}{bad}{numeric}{start}ŸŠ®°µ»] [ØÙ] [{common}{currency}{bad}{numeric}{start}ŸŠ®°µ»]",
	// of scripts of South Asia
	"à [²µ¹¼½¾]",
	// MacRoman
	"√ [±∂†≠®™´≤≥¥µø]",
	"≈ [°¢]",
	"‚ Ä [ìîïòôúùû†°¢π]",
	"‚ [âó] [àä°ê]",
	// Windows-1251
	"в Ђ",
	"[ВГРС] [{c1}{bad}{start}{end}{currency}°µ] [ВГРС]",
	"Г ў В Ђ В [^\\n] [A-Za-z\\x20]",
	// à, á and the no-break space in Windows-1252
	`Ã [\x{a0}¡]`,
	"[a-z] {space}? [ÃÂ] _",
	"^ [ÃÂ] _",
	// Â in front of what it stands for itself
	"[a-z.,?!{end}] Â [\\x20{start}{end}]",
	// Windows-1253
	`β € [™\x{a0}Ά\x{ad}®°]`,
	"[ΒΓΞΟ] [{c1}{bad}{start}{end}{currency}°] [ΒΓΞΟ]",
	// Windows-1257
	"ā €",
}

var badPattern = sync.OnceValue(func() *regexp.Regexp {
	var all []string
	for _, s := range badSequences {
		// Names in {} first: outside of a class they are one.
		var b strings.Builder
		class := false
		for len(s) > 0 {
			switch s[0] {
			case '{':
				if n := strings.IndexByte(s, '}'); n > 0 {
					var members strings.Builder
					known := true
					for name := range strings.FieldsSeq(s[1:n]) {
						known = known && kinds[name] != ""
						members.WriteString(kinds[name])
					}
					if known {
						if class {
							b.WriteString(members.String())
						} else {
							b.WriteString("[" + members.String() + "]")
						}
						s = s[n+1:]
						continue
					}
				}
			case '[':
				class = true
			case ']':
				class = false
			case ' ':
				s = s[1:]
				continue
			case '_':
				b.WriteByte(' ')
				s = s[1:]
				continue
			}
			b.WriteByte(s[0])
			s = s[1:]
		}
		all = append(all, b.String())
	}
	return regexp.MustCompile(strings.Join(all, "|"))
})

// bad tells whether a text looks wrongly decoded.
func bad(text string) bool { return badPattern().MatchString(text) }
