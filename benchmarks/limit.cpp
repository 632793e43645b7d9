// The limit of reading: what the machine needs for a gzipped Kineto trace without Python, on the fastest libraries there are.
// isa-l inflates, simdjson's on-demand parser reads, and the columns are those of commscope.trace.Events: times to the nanosecond,
// kinds, interned names and lanes, five numbers. Facts of communication and the order by time are left out.
//
//     g++ -O3 -march=native -std=c++17 benchmarks/limit.cpp -lsimdjson -lisal -o limit && ./limit rank0.json.gz
//
// Debian: libsimdjson-dev libisal-dev. Prints events, a checksum, seconds of wall and CPU, and the peak of memory in MB.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <isa-l/igzip_lib.h>
#include <simdjson.h>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <unordered_map>
#include <vector>

using namespace simdjson;

struct Ids {
    std::unordered_map<std::string, int32_t> known;
    std::string last;
    int32_t last_id = -1;
    int32_t of(std::string_view text) {
        if (last_id >= 0 && text == last) return last_id;
        last.assign(text);
        return last_id = known.emplace(last, static_cast<int32_t>(known.size())).first->second;
    }
};

struct Columns {
    std::vector<int64_t> start_ns, end_ns, numbers[5];
    std::vector<int32_t> name, lane;
    std::vector<uint8_t> kind;
    Ids names, lanes, kinds;
};

static int64_t ns_of(double us) {
    double whole = std::floor(us);
    return static_cast<int64_t>(whole) * 1000 + static_cast<int64_t>(std::rint((us - whole) * 1000));
}

static void take(ondemand::object event, Columns &columns, std::string &lane) {
    char phase = 0;
    double start = 0, length = 0;
    std::string_view name, cat;
    int64_t numbers[5] = {-1, -1, -1, -1, -1};
    lane.clear();
    for (auto field : event) {
        std::string_view key = field.unescaped_key();
        if (key == "ph") phase = std::string_view(field.value())[0];
        else if (key == "name") name = field.value();
        else if (key == "cat") cat = field.value();
        else if (key == "ts") start = field.value();
        else if (key == "dur") length = field.value();
        else if (key == "pid" || key == "tid") lane.append(field.value().raw_json_token().value()), lane.push_back('\n');
        else if (key == "args") {
            for (auto argument : field.value().get_object()) {
                std::string_view one = argument.unescaped_key();
                int at = one == "correlation" ? 0 : one == "External id" ? 1 : one == "Sequence number" ? 2
                       : one == "Fwd thread id" ? 3 : one == "bytes" ? 4 : -1;
                if (at >= 0) numbers[at] = argument.value().get_int64();
            }
        }
    }
    if (phase != 'X') return;
    columns.start_ns.push_back(ns_of(start));
    columns.end_ns.push_back(columns.start_ns.back() + ns_of(length));
    columns.name.push_back(columns.names.of(name));
    columns.lane.push_back(columns.lanes.of(lane));
    columns.kind.push_back(static_cast<uint8_t>(columns.kinds.of(cat)));
    for (int at = 0; at < 5; at++) columns.numbers[at].push_back(numbers[at]);
}

// Events of a stretch that begins with the first and ends with the last brace of events.
static void parse(std::string &stretch, size_t size, Columns &columns, ondemand::parser &parser, std::string &lane) {
    stretch[size] = ']';
    auto document = parser.iterate(stretch.data(), size + 1, stretch.size());
    for (auto one : document.get_array()) take(one.get_object(), columns, lane);
}

int main(int, char **arguments) {
    auto began = std::chrono::steady_clock::now();
    std::ifstream file(arguments[1], std::ios::binary);
    std::vector<uint8_t> packed(1 << 18);
    std::string text(1 << 23, ' '), lane;
    size_t filled = 0;
    bool inside = false;
    Columns columns;
    ondemand::parser parser;
    inflate_state state;
    isal_inflate_init(&state);
    state.crc_flag = ISAL_GZIP;
    bool ended = false;
    while (!ended) {
        file.read(reinterpret_cast<char *>(packed.data()), static_cast<std::streamsize>(packed.size()));
        state.next_in = packed.data();
        state.avail_in = static_cast<uint32_t>(file.gcount());
        ended = file.gcount() == 0;
        do {
            state.next_out = reinterpret_cast<uint8_t *>(text.data()) + filled;
            state.avail_out = 1 << 18;
            size_t before = state.avail_out;
            if (isal_inflate(&state) != ISAL_DECOMP_OK) return 1;
            filled += before - state.avail_out;
            if (!inside) {
                size_t key = std::string_view(text.data(), filled).find("\"traceEvents\"");
                size_t bracket = key == std::string::npos ? key : std::string_view(text.data(), filled).find('[', key);
                if (bracket == std::string::npos) continue;
                std::memmove(text.data(), text.data() + bracket, filled -= bracket);
                inside = true;
            }
            std::string_view seen(text.data(), filled);
            size_t cut = filled < (1 << 19) ? std::string::npos : seen.rfind("},\n{\"ph\"");
            if (cut == std::string::npos) cut = filled < (1 << 19) ? cut : seen.rfind("},\n  {\n    \"ph\"");
            if (cut == std::string::npos) continue;
            size_t next = seen.find('{', cut);
            std::string tail(text.data() + next, filled - next);
            parse(text, cut + 1, columns, parser, lane);
            text[0] = '[';
            std::memcpy(text.data() + 1, tail.data(), tail.size());
            filled = tail.size() + 1;
        } while (state.avail_out == 0);
        if (state.block_state == ISAL_BLOCK_FINISH) ended = true;
    }
    size_t end = std::string_view(text.data(), filled).rfind("]");
    if (end != std::string::npos && end > 1) parse(text, end, columns, parser, lane);
    int64_t sum = 0;
    for (size_t at = 0; at < columns.start_ns.size(); at++) sum += columns.end_ns[at] ^ columns.numbers[0][at] ^ columns.name[at];
    rusage used;
    getrusage(RUSAGE_SELF, &used);
    std::printf("{\"events\": %zu, \"sum\": %lld, \"wall_s\": %.3f, \"cpu_s\": %.3f, \"rss_mb\": %.0f}\n", columns.start_ns.size(),
                static_cast<long long>(sum), std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count(),
                static_cast<double>(std::clock()) / CLOCKS_PER_SEC, static_cast<double>(used.ru_maxrss) / 1024);
}
