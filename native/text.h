/* JSON text, strictly: what passes here every parser takes alike. Anything else is odd, and odd text is not ours.
 *
 * Each function takes a place and the end of the text, gives the place behind what it read, NULL where it is odd.
 */
#ifndef COMMSCOPE_TEXT_H
#define COMMSCOPE_TEXT_H

#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define DEEPEST 64       /* nesting; msgspec stops at the interpreter's limit, which is deeper */
#define MOST_DIGITS 18   /* of an integer: surely inside int64 */

typedef struct {
    const char *at; /* NULL: absent or null */
    uint32_t size;
} Span;

static inline int is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
static inline int is_digit(char c) { return (unsigned char)(c - '0') < 10; }
static inline int is_hex(char c) { return is_digit(c) || (unsigned char)((c | 32) - 'a') < 6; }

static inline const char *spaces(const char *p, const char *end) {
    while (p < end && is_space(*p)) p++;
    return p;
}

/* First byte that ends a plain stretch of a string: a quote, a backslash, a control character or no ASCII. */
static inline const char *plain(const char *p, const char *end) {
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(' ');
    while (end - p >= 16) {
        __m128i sixteen = _mm_loadu_si128((const __m128i *)p);
        __m128i stop = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(sixteen, quote), _mm_cmpeq_epi8(sixteen, slash)),
                                    _mm_cmplt_epi8(sixteen, space)); /* signed: 0x80 and above are below */
        int mask = _mm_movemask_epi8(stop);
        if (mask) return p + __builtin_ctz((unsigned)mask);
        p += 16;
    }
#endif
    while (p < end && *p != '"' && *p != '\\' && (signed char)*p >= ' ') p++;
    return p;
}

static inline int follows(const unsigned char *p, int from, int until) { return *p >= from && *p <= until; }

/* One character of UTF-8 beyond ASCII: no surrogates, no overlong forms (RFC 3629). */
static const char *beyond_ascii(const char *at, const char *end) {
    const unsigned char *p = (const unsigned char *)at;
    size_t left = (size_t)(end - at);
    if (p[0] >= 0xC2 && p[0] <= 0xDF) return left > 1 && follows(p + 1, 0x80, 0xBF) ? at + 2 : NULL;
    if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        int from = p[0] == 0xE0 ? 0xA0 : 0x80, until = p[0] == 0xED ? 0x9F : 0xBF;
        return left > 2 && follows(p + 1, from, until) && follows(p + 2, 0x80, 0xBF) ? at + 3 : NULL;
    }
    if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        int from = p[0] == 0xF0 ? 0x90 : 0x80, until = p[0] == 0xF4 ? 0x8F : 0xBF;
        return left > 3 && follows(p + 1, from, until) && follows(p + 2, 0x80, 0xBF) && follows(p + 3, 0x80, 0xBF) ? at + 4
                                                                                                                   : NULL;
    }
    return NULL;
}

static const char *escape(const char *p, const char *end) {
    if (end - p < 2) return NULL;
    if (p[1] != 'u') return memchr("\"\\/bfnrt", p[1], 8) ? p + 2 : NULL;
    if (end - p < 6 || !is_hex(p[2]) || !is_hex(p[3]) || !is_hex(p[4]) || !is_hex(p[5])) return NULL;
    return (p[2] | 32) == 'd' && (p[3] | 32) >= '8' ? NULL : p + 6; /* a surrogate may stand alone */
}

/* A string from behind its opening quote to behind its closing one. */
static inline const char *string(const char *p, const char *end, int *escaped) {
    for (;;) {
        p = plain(p, end);
        if (p >= end) return NULL;
        if (*p == '"') return p + 1;
        if (*p == '\\') {
            *escaped = 1;
            p = escape(p, end);
        } else {
            p = (signed char)*p < 0 ? beyond_ascii(p, end) : NULL;
        }
        if (!p) return NULL;
    }
}

static const char *number(const char *p, const char *end) {
    if (p < end && *p == '-') p++;
    if (p >= end || !is_digit(*p)) return NULL;
    if (*p++ != '0')
        while (p < end && is_digit(*p)) p++;
    if (p < end && *p == '.') {
        if (++p >= end || !is_digit(*p)) return NULL;
        while (p < end && is_digit(*p)) p++;
    }
    if (p < end && (*p | 32) == 'e') {
        const char *digits = ++p;
        if (p < end && (*p == '+' || *p == '-')) digits = ++p;
        while (p < end && is_digit(*p)) p++;
        if (p == digits || p - digits > 2) return NULL; /* beyond a float64 parsers differ */
    }
    return p;
}

static inline const char *word(const char *p, const char *end, const char *said, int size) {
    return end - p >= size && !memcmp(p, said, (size_t)size) ? p + size : NULL;
}

static const char *value(const char *p, const char *end, int depth);

/* A key without escapes and the colon behind it. */
static inline const char *key(const char *p, const char *end, Span *found) {
    int escaped = 0;
    if (p >= end || *p != '"') return NULL;
    const char *behind = string(p + 1, end, &escaped);
    if (!behind || escaped) return NULL;
    found->at = p + 1;
    found->size = (uint32_t)(behind - p - 2);
    p = spaces(behind, end);
    return p < end && *p == ':' ? spaces(p + 1, end) : NULL;
}

/* Whether behind a member comes another: 1 with the place of the next, 0 at the end, -1 odd. */
static inline int more(const char **p, const char *end, char closing) {
    const char *at = spaces(*p, end);
    if (at >= end) return -1;
    if (*at == closing) {
        *p = at + 1;
        return 0;
    }
    if (*at != ',') return -1;
    *p = spaces(at + 1, end);
    return 1;
}

static const char *inside(const char *p, const char *end, int depth, char closing) {
    Span ignored;
    if (depth > DEEPEST) return NULL;
    p = spaces(p, end);
    if (p < end && *p == closing) return p + 1;
    for (;;) {
        if (closing == '}' && !(p = key(p, end, &ignored))) return NULL;
        if (!(p = value(p, end, depth))) return NULL;
        int next = more(&p, end, closing);
        if (next <= 0) return next ? NULL : p;
    }
}

static const char *value(const char *p, const char *end, int depth) {
    int escaped = 0;
    if (p >= end) return NULL;
    switch (*p) {
    case '"': return string(p + 1, end, &escaped);
    case '[': return inside(p + 1, end, depth + 1, ']');
    case '{': return inside(p + 1, end, depth + 1, '}');
    case 't': return word(p, end, "true", 4);
    case 'f': return word(p, end, "false", 5);
    case 'n': return word(p, end, "null", 4);
    default: return number(p, end);
    }
}

/* An integer in digits, nothing else. */
static inline const char *integer(const char *p, const char *end, int64_t *found) {
    int negative = p < end && *p == '-';
    const char *digits = p += negative;
    int64_t sum = 0;
    while (p < end && is_digit(*p) && p - digits < MOST_DIGITS) sum = sum * 10 + (*p++ - '0');
    if (p == digits || (*digits == '0' && (p - digits > 1 || negative))) return NULL;
    if (p >= end || is_digit(*p) || *p == '.' || (*p | 32) == 'e') return NULL;
    *found = negative ? -sum : sum;
    return p;
}

#endif
