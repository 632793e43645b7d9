/* One event of Chrome JSON: text in, `Row` out. The words are those of commscope/readers/chrome/event.py. */
#ifndef COMMSCOPE_EVENT_H
#define COMMSCOPE_EVENT_H

#include "text.h"
#include <math.h>

enum { CORRELATION, EXTERNAL, SEQUENCE, FORWARD, SIZE, NUMBERS };

typedef struct {
    int64_t start_ns, length_ns;
    int64_t numbers[NUMBERS];
    Span name, pid, tid, cat, device, stream, args, text;
    char phase;          /* 0 where it is none of one letter */
    char begun;          /* whether it has a start */
    char missing;        /* no duration */
    char negative;       /* a duration below zero, taken as 0 */
    char collective;     /* its arguments name one */
    char escaped_name;
} Row;

#define EXACT_BELOW_US (1LL << 43)  /* as in timestamps.py: below, a float64 holds three decimals */
#define START_LIMIT_US 2305843009213692LL

typedef struct {
    int64_t whole, fraction; /* digits before and behind the point */
    int places, negative;
} Decimal;

static const int64_t TENS[19] = {1LL, 10LL, 100LL, 1000LL, 10000LL, 100000LL, 1000000LL, 10000000LL, 100000000LL,
    1000000000LL, 10000000000LL, 100000000000LL, 1000000000000LL, 10000000000000LL, 100000000000000LL,
    1000000000000000LL, 10000000000000000LL, 100000000000000000LL, 1000000000000000000LL};

static inline const char *decimal(const char *p, const char *end, Decimal *found) {
    found->negative = p < end && *p == '-';
    const char *digits = p += found->negative;
    int64_t sum = 0;
    while (p < end && is_digit(*p) && p - digits < MOST_DIGITS) sum = sum * 10 + (*p++ - '0');
    if (p == digits || (*digits == '0' && p - digits > 1)) return NULL;
    found->whole = sum;
    found->fraction = found->places = 0;
    if (p < end && *p == '.') {
        const char *behind = ++p;
        sum = 0;
        while (p < end && is_digit(*p) && p - behind < MOST_DIGITS) sum = sum * 10 + (*p++ - '0');
        if (p == behind) return NULL;
        found->fraction = sum;
        found->places = (int)(p - behind);
    }
    return p < end && (*p | 32) != 'e' && !is_digit(*p) && *p != '.' ? p : NULL;
}

/* Nanoseconds of microseconds as written, below EXACT_BELOW_US as `to_ns` in timestamps.py; 0 where odd. */
static inline int to_ns(const Decimal *time, int64_t *ns) {
    if (time->places <= 3) {
        *ns = time->whole * 1000 + time->fraction * TENS[3 - time->places];
        if (time->negative) *ns = -*ns;
        return 1;
    }
    if (time->whole >= (1LL << 53) / TENS[time->places < 16 ? time->places : 16] - 1 || time->places > 15) return 0;
    double us = (double)(time->whole * TENS[time->places] + time->fraction) / (double)TENS[time->places];
    if (us >= (double)EXACT_BELOW_US) return 0;
    if (time->negative) us = -us;
    double floor_us = floor(us);
    *ns = (int64_t)floor_us * 1000 + (int64_t)rint((us - floor_us) * 1000);
    return 1;
}

/* The same for starts a float64 cannot hold: the decimal itself, half to even. */
static inline int to_ns_exactly(const Decimal *time, int64_t *ns) {
    if (time->whole > START_LIMIT_US || time->places > 9) return 0;
    *ns = time->whole * 1000;
    if (time->places <= 3) {
        *ns += time->fraction * TENS[3 - time->places];
    } else {
        int64_t unit = TENS[time->places - 3], rest = time->fraction % unit;
        *ns += time->fraction / unit;
        if (2 * rest > unit || (2 * rest == unit && (*ns & 1))) ++*ns;
    }
    if (time->negative) *ns = -*ns;
    return 1;
}

static inline const char *start(const char *p, const char *end, Row *row) {
    Decimal time;
    if (p < end && *p == 'n') return word(p, end, "null", 4);
    if (!(p = decimal(p, end, &time))) return NULL;
    row->begun = 1;
    return (time.whole < EXACT_BELOW_US ? to_ns(&time, &row->start_ns) : to_ns_exactly(&time, &row->start_ns)) ? p : NULL;
}

static inline const char *length(const char *p, const char *end, Row *row) {
    Decimal time;
    if (p < end && *p == 'n') return word(p, end, "null", 4);
    p = decimal(p, end, &time);
    if (!p || time.whole >= EXACT_BELOW_US || !to_ns(&time, &row->length_ns)) return NULL;
    row->missing = 0;
    row->negative = row->length_ns < 0;
    if (row->negative) row->length_ns = 0;
    return p;
}

/* Text in quotes, as it stands, quotes and all. */
static inline const char *text_or_null(const char *p, const char *end, Span *found, char *was_escaped) {
    int escaped = 0;
    if (p < end && *p == 'n') return word(p, end, "null", 4);
    if (p >= end || *p != '"') return NULL;
    const char *behind = string(p + 1, end, &escaped);
    if (!behind) return NULL;
    *found = (Span){p, (uint32_t)(behind - p)};
    if (was_escaped) *was_escaped = (char)escaped;
    return behind;
}

/* An integer or a text, as it stands. */
static inline const char *label(const char *p, const char *end, Span *found) {
    int64_t ignored;
    if (p < end && (*p == '-' || is_digit(*p))) {
        const char *behind = integer(p, end, &ignored);
        if (behind) *found = (Span){p, (uint32_t)(behind - p)};
        return behind;
    }
    return text_or_null(p, end, found, NULL);
}

static inline const char *count(const char *p, const char *end, int64_t *found) {
    if (p < end && *p == 'n') return word(p, end, "null", 4);
    p = integer(p, end, found);
    if (*found < 0) *found = -1;
    return p;
}

#define IS(text) (name.size == sizeof(text) - 1 && !memcmp(name.at, text, sizeof(text) - 1))
#define ONCE(bit) if (seen & (1u << (bit))) return NULL; else seen |= 1u << (bit)

static const char *arguments(const char *p, const char *end, Row *row) {
    unsigned seen = 0;
    int64_t old_external = -1, rank = -1;
    Span name, said;
    p = spaces(p + 1, end);
    if (p < end && *p == '}') return p + 1;
    for (;;) {
        if (!(p = key(p, end, &name))) return NULL;
        switch (name.size) {
        case 4:
            if (IS("rank")) { ONCE(0); p = p < end && *p == '"' ? label(p, end, &said) : count(p, end, &rank); goto taken; }
            break;
        case 5:
            if (IS("bytes")) { ONCE(1); p = count(p, end, &row->numbers[SIZE]); goto taken; }
            break;
        case 6:
            if (IS("device")) { ONCE(2); p = label(p, end, &row->device); goto taken; }
            if (IS("stream")) { ONCE(3); p = label(p, end, &row->stream); goto taken; }
            break;
        case 11:
            if (IS("External id")) { ONCE(4); p = count(p, end, &row->numbers[EXTERNAL]); goto taken; }
            if (IS("correlation")) { ONCE(5); p = count(p, end, &row->numbers[CORRELATION]); goto taken; }
            if (IS("external id")) { ONCE(6); p = count(p, end, &old_external); goto taken; }
            break;
        case 13:
            if (IS("Fwd thread id")) { ONCE(7); p = count(p, end, &row->numbers[FORWARD]); goto taken; }
            break;
        case 15:
            if (IS("Sequence number")) { ONCE(8); p = count(p, end, &row->numbers[SEQUENCE]); goto taken; }
            if (IS("Collective name")) {
                ONCE(9);
                row->collective = p < end && *p == '"';
                p = text_or_null(p, end, &said, NULL);
                goto taken;
            }
            break;
        default: break;
        }
        p = value(p, end, 2);
    taken:
        if (!p) return NULL;
        int next = more(&p, end, '}');
        if (next < 0) return NULL;
        if (!next) break;
    }
    if (row->numbers[EXTERNAL] < 0) row->numbers[EXTERNAL] = old_external;
    return p;
}

static const char *event(const char *p, const char *end, Row *row) {
    unsigned seen = 0;
    Span name, phase;
    memset(row, 0, sizeof *row);
    for (int at = 0; at < NUMBERS; at++) row->numbers[at] = -1;
    row->missing = 1;
    row->text.at = p;
    if (p >= end || *p != '{') return NULL;
    p = spaces(p + 1, end);
    if (p < end && *p == '}') goto whole;
    for (;;) {
        if (!(p = key(p, end, &name)) || p >= end) return NULL;
        if (IS("ts")) { ONCE(0); p = start(p, end, row); }
        else if (IS("ph")) {
            ONCE(1);
            char escaped = 0;
            if (*p != '"' || !(p = text_or_null(p, end, &phase, &escaped)) || escaped) return NULL;
            row->phase = phase.size == 3 ? phase.at[1] : 0;
        }
        else if (IS("dur")) { ONCE(2); p = length(p, end, row); }
        else if (IS("pid")) { ONCE(3); p = label(p, end, &row->pid); }
        else if (IS("tid")) { ONCE(4); p = label(p, end, &row->tid); }
        else if (IS("cat")) { ONCE(5); p = text_or_null(p, end, &row->cat, NULL); }
        else if (IS("name")) {
            ONCE(6);
            if (*p != '"') return NULL;
            p = text_or_null(p, end, &row->name, &row->escaped_name);
        }
        else if (IS("args")) {
            ONCE(7);
            if (*p == '{') {
                row->args.at = p;
                if ((p = arguments(p, end, row))) row->args.size = (uint32_t)(p - row->args.at);
            } else p = word(p, end, "null", 4);
        }
        else p = value(p, end, 1);
        if (!p) return NULL;
        int next = more(&p, end, '}');
        if (next < 0) return NULL;
        if (!next) goto done;
    }
whole:
    p++;
done:
    row->text.size = (uint32_t)(p - row->text.at);
    return row->phase == 'X' && !row->begun ? NULL : p;
}

#undef IS
#undef ONCE
#endif
