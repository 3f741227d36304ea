// Calls one function of a C++ program with typed arguments, and hands over what it returns.
//
// The generated unit is: the program, this text, `int main() { return verdict_harness::serve(target); }`.
// Descriptor 3 gives the arguments, a JSON array in the tagged encoding of `sandbox/values.py`;
// descriptor 4 takes the returned value in the same encoding. The parameter types are read off
// the target itself, so an argument becomes exactly what the function asks for, or the run fails.
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#pragma GCC push_options
#pragma GCC optimize("O1")

namespace verdict_harness {

// The whole unit is compiled for every submission, so what is slow to compile is kept out of line.
[[noreturn, gnu::noinline, gnu::cold]] inline void fail(const char* why, const char* what = "") {
  std::fprintf(stderr, "call: %s%s\n", why, what);
  std::fflush(nullptr);
  std::_Exit(3);
}

// ---- reading: text -> Node -> value

// One JSON value. `tag` is the letter of an enclosing {"tag": value}, or 0.
struct Node {
  enum Kind { null, boolean, number, string, list } kind = null;
  char tag = 0;
  std::string text;  // of a number, string or boolean
  std::vector<Node> items;
};

class Parser {
 public:
  explicit Parser(const std::string& text) : next_(text.data()), end_(text.data() + text.size()) {}

  Node whole() {
    Node node = value();
    if (blank() != 0) fail("text after the arguments");
    return node;
  }

 private:
  const char* next_;
  const char* end_;

  char peek() const { return next_ == end_ ? '\0' : *next_; }

  char blank() {
    while (peek() == ' ' || peek() == '\n' || peek() == '\t' || peek() == '\r') ++next_;
    return peek();
  }

  void expect(char wanted) {
    if (blank() != wanted) fail("broken arguments");
    ++next_;
  }

  Node value() {
    switch (blank()) {
      case '[': return list();
      case '{': return tagged();
      case '"': return {Node::string, 0, quoted(), {}};
      default: return word();
    }
  }

  Node list() {
    Node node{Node::list, 0, {}, {}};
    expect('[');
    if (blank() == ']') return ++next_, node;
    for (;;) {
      node.items.push_back(value());
      if (blank() == ']') return ++next_, node;
      expect(',');
    }
  }

  Node tagged() {
    expect('{');
    blank();
    const std::string tag = quoted();
    expect(':');
    Node node = value();
    expect('}');
    if (tag.size() != 1) fail("an object that is no tagged value");
    node.tag = tag[0];
    return node;
  }

  Node word() {
    std::string text;
    while (next_ != end_ && (std::isalnum(static_cast<unsigned char>(*next_)) || *next_ == '-' ||
                             *next_ == '+' || *next_ == '.'))
      text += *next_++;
    if (text == "null") return {};
    if (text.empty()) fail("broken arguments");
    const bool is_boolean = text == "true" || text == "false";
    return {is_boolean ? Node::boolean : Node::number, 0, text, {}};
  }

  std::string quoted() {
    std::string text;
    expect('"');
    while (peek() != '"') {
      if (next_ == end_) fail("unfinished string");
      if (*next_ != '\\') {
        text += *next_++;
      } else {
        ++next_;
        escape(text);
      }
    }
    ++next_;
    return text;
  }

  void escape(std::string& text) {
    switch (const char letter = *next_++) {
      case 'n': text += '\n'; break;
      case 't': text += '\t'; break;
      case 'r': text += '\r'; break;
      case 'b': text += '\b'; break;
      case 'f': text += '\f'; break;
      case 'u': utf8(text, code_point()); break;
      default: text += letter;
    }
  }

  unsigned hex4() {
    if (end_ - next_ < 4) fail("unfinished string");
    const std::string digits(next_, next_ + 4);
    next_ += 4;
    return static_cast<unsigned>(std::strtoul(digits.c_str(), nullptr, 16));
  }

  unsigned code_point() {
    const unsigned high = hex4();
    if (high < 0xD800 || high > 0xDBFF || end_ - next_ < 6 || next_[0] != '\\' || next_[1] != 'u') return high;
    next_ += 2;
    return 0x10000 + ((high - 0xD800) << 10) + (hex4() - 0xDC00);
  }

  static void utf8(std::string& text, unsigned point) {
    const auto put = [&](unsigned byte) { text += static_cast<char>(byte); };
    if (point < 0x80) return put(point);
    if (point < 0x800) return put(0xC0 | point >> 6), put(0x80 | (point & 0x3F));
    if (point < 0x10000) {
      put(0xE0 | point >> 12);
    } else {
      put(0xF0 | point >> 18);
      put(0x80 | (point >> 12 & 0x3F));
    }
    put(0x80 | (point >> 6 & 0x3F));
    put(0x80 | (point & 0x3F));
  }
};

template <class T, template <class...> class Template>
struct is_a : std::false_type {};
template <template <class...> class Template, class... Parts>
struct is_a<Template<Parts...>, Template> : std::true_type {};

template <class T> constexpr bool is_sequence = is_a<T, std::vector>::value;
template <class T> constexpr bool is_set = is_a<T, std::set>::value || is_a<T, std::unordered_set>::value;
template <class T> constexpr bool is_map = is_a<T, std::map>::value || is_a<T, std::unordered_map>::value;
template <class T> constexpr bool is_tuple = is_a<T, std::pair>::value || is_a<T, std::tuple>::value;
template <class T> struct is_array : std::false_type {};
template <class T, std::size_t N> struct is_array<std::array<T, N>> : std::true_type {};
template <class T> constexpr bool unsupported = false;

inline double read_double(const Node& node) {
  if (node.kind != Node::number && node.tag != 'f') fail("expected a number, got something else");
  return std::strtod(node.text.c_str(), nullptr);
}

// Any integral type, range-checked digit by digit; a float is taken only if it is integral.
template <class T>
T read_integer(const Node& node) {
  if (node.tag == 'f') {
    const double value = read_double(node);
    if (std::floor(value) != value || std::fabs(value) > 9007199254740992.0) fail("expected an integer, got a float");
    return read_integer<T>({Node::number, 0, std::to_string(static_cast<long long>(value)), {}});
  }
  if (node.kind != Node::number && node.tag != 'i') fail("expected an integer, got something else");
  const char* digit = node.text.c_str();
  const bool negative = *digit == '-';
  digit += negative;
  const unsigned base = node.tag == 'i' ? 16 : 10;
  if (base == 16) digit += 2;  // 0x
  T value = 0;
  for (; *digit != 0; ++digit) {
    const int place = *digit <= '9' ? *digit - '0' : *digit - 'a' + 10;
    if (place < 0 || place >= static_cast<int>(base)) fail("expected an integer, got ", node.text.c_str());
    if (__builtin_mul_overflow(value, static_cast<T>(base), &value) ||
        __builtin_add_overflow(value, negative ? -place : place, &value))
      fail("an integer does not fit the parameter's type: ", node.text.c_str());
  }
  return value;
}

inline const std::string& read_string(const Node& node) {
  if (node.kind != Node::string || node.tag != 0) fail("expected a string, got something else");
  return node.text;
}

inline const std::vector<Node>& read_items(const Node& node) {
  if (node.kind != Node::list) fail("expected a list, got something else");
  return node.items;
}

template <class T>
T read(const Node& node);

template <class T, std::size_t... Index>
T read_tuple(const Node& node, std::index_sequence<Index...>) {
  const auto& items = read_items(node);
  if (items.size() != sizeof...(Index)) fail("wrong number of items for a pair or tuple");
  return T{read<std::remove_cv_t<std::tuple_element_t<Index, T>>>(items[Index])...};
}

template <class T>
T read_map(const Node& node) {
  T map;
  for (const Node& pair : read_items(node)) {
    const auto& sides = read_items(pair);
    if (sides.size() != 2) fail("expected a dict, got something else");
    map.emplace(read<typename T::key_type>(sides[0]), read<typename T::mapped_type>(sides[1]));
  }
  return map;
}

template <class T>
T read_collection(const Node& node) {
  T collection;
  for (const Node& item : read_items(node)) collection.insert(collection.end(), read<typename T::value_type>(item));
  return collection;
}

template <class T>
T read_array(const Node& node) {
  T array{};
  if (read_items(node).size() != array.size()) fail("wrong number of items for an array");
  for (std::size_t i = 0; i < array.size(); ++i) array[i] = read<typename T::value_type>(node.items[i]);
  return array;
}

template <class T>
T read(const Node& node) {
  if constexpr (std::is_same_v<T, bool>) {
    if (node.kind != Node::boolean) fail("expected a bool, got something else");
    return node.text == "true";
  } else if constexpr (std::is_same_v<T, char>) {
    if (read_string(node).size() != 1) fail("expected a string of one character");
    return node.text[0];
  } else if constexpr (std::is_floating_point_v<T>) {
    return node.kind == Node::number && node.tag == 'i' ? static_cast<T>(read_integer<__int128>(node))
                                                        : static_cast<T>(read_double(node));
  } else if constexpr (std::is_integral_v<T>) {
    if (node.kind == Node::string && node.tag == 0) fail("expected an integer, got a string");
    return read_integer<T>(node);
  } else if constexpr (std::is_same_v<T, std::string>) {
    return read_string(node);
  } else if constexpr (is_a<T, std::optional>::value) {
    if (node.kind == Node::null) return std::nullopt;
    return read<typename T::value_type>(node);
  } else if constexpr (is_tuple<T>) {
    return read_tuple<T>(node, std::make_index_sequence<std::tuple_size_v<T>>{});
  } else if constexpr (is_map<T>) {
    return read_map<T>(node);
  } else if constexpr (is_array<T>::value) {
    return read_array<T>(node);
  } else if constexpr (is_sequence<T> || is_set<T>) {
    return read_collection<T>(node);
  } else {
    static_assert(unsupported<T>, "call tests cannot pass a parameter of this type");
  }
}

// ---- writing: value -> text

inline void write_string(std::string& out, const std::string& text) {
  out += '"';
  for (const unsigned char byte : text) {
    if (byte == '"' || byte == '\\') {
      out += '\\';
      out += static_cast<char>(byte);
    } else if (byte < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", byte);
      out += escape;
    } else {
      out += static_cast<char>(byte);
    }
  }
  out += '"';
}

inline void write_integer(std::string& out, bool negative, unsigned __int128 magnitude) {
  const bool tagged = magnitude >= (static_cast<unsigned __int128>(1) << 53);
  const unsigned base = tagged ? 16 : 10;
  std::string digits;
  do digits.insert(digits.begin(), "0123456789abcdef"[static_cast<unsigned>(magnitude % base)]);
  while (magnitude /= base);
  out += tagged ? "{\"i\":\"" : "";
  out += negative ? "-" : "";
  out += tagged ? "0x" : "";
  out += digits;
  out += tagged ? "\"}" : "";
}

inline void write_double(std::string& out, double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%a", value);
  out.append("{\"f\":\"").append(text).append("\"}");
}

template <class T>
void write(std::string& out, const T& value);

template <class T>
void write_items(std::string& out, const T& collection) {
  out += '[';
  bool first = true;
  for (const auto& item : collection) {
    if (!first) out += ',';
    first = false;
    write<typename T::value_type>(out, item);
  }
  out += ']';
}

template <class T>
void write_tuple(std::string& out, const T& tuple) {
  out += "{\"t\":[";
  std::apply(
      [&](const auto&... items) {
        bool first = true;
        ((out += first ? "" : ",", first = false, write(out, items)), ...);
      },
      tuple);
  out += "]}";
}

template <class T>
void write_map(std::string& out, const T& map) {
  out += "{\"d\":[";
  bool first = true;
  for (const auto& [key, item] : map) {
    out += first ? "[" : ",[";
    first = false;
    write(out, key);
    out += ',';
    write(out, item);
    out += ']';
  }
  out += "]}";
}

template <class T>
void write(std::string& out, const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    out += value ? "true" : "false";
  } else if constexpr (std::is_same_v<T, char>) {
    write_string(out, std::string(1, value));
  } else if constexpr (std::is_floating_point_v<T>) {
    write_double(out, static_cast<double>(value));
  } else if constexpr (std::is_integral_v<T>) {
    const auto magnitude = static_cast<unsigned __int128>(value);
    write_integer(out, value < 0, value < 0 ? -magnitude : magnitude);
  } else if constexpr (std::is_same_v<T, std::string>) {
    write_string(out, value);
  } else if constexpr (std::is_convertible_v<T, const char*>) {
    if (value == nullptr) out += "null";
    else write_string(out, value);
  } else if constexpr (is_a<T, std::optional>::value) {
    if (value) write(out, *value);
    else out += "null";
  } else if constexpr (is_tuple<T>) {
    write_tuple(out, value);
  } else if constexpr (is_map<T>) {
    write_map(out, value);
  } else if constexpr (is_set<T>) {
    out += "{\"s\":";
    write_items(out, value);
    out += '}';
  } else if constexpr (is_sequence<T> || is_array<T>::value) {
    write_items(out, value);
  } else {
    static_assert(unsupported<T>, "call tests cannot take a returned value of this type");
  }
}

// ---- calling

inline std::string read_descriptor(int descriptor) {
  std::string text;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t got = ::read(descriptor, buffer, sizeof buffer);
    if (got < 0) fail("the arguments cannot be read");
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

inline void hand_over(const std::string& record) {
  std::size_t sent = 0;
  while (sent < record.size()) {
    const ssize_t put = ::write(4, record.data() + sent, record.size() - sent);
    if (put <= 0) fail("the returned value cannot be handed over");
    sent += static_cast<std::size_t>(put);
  }
  ::close(4);
}

// What holds an argument while the function runs: a C string is held as a std::string.
template <class Parameter>
struct Holder {
  using type = std::decay_t<Parameter>;
  static Parameter pass(type& held) { return static_cast<Parameter>(std::forward<Parameter>(held)); }
};
struct TextHolder {
  using type = std::string;
  static char* pass(type& held) { return held.data(); }
};
template <> struct Holder<const char*> : TextHolder {};
template <> struct Holder<char*> : TextHolder {};

template <class Result, class... Parameters, class Callee, std::size_t... Index>
int call(Callee&& callee, std::index_sequence<Index...>) {
  const Node arguments = Parser(read_descriptor(3)).whole();
  const auto& items = read_items(arguments);
  if (items.size() != sizeof...(Parameters))
    fail("the function takes another number of arguments than the test gives");
  std::tuple<typename Holder<Parameters>::type...> held{read<typename Holder<Parameters>::type>(items[Index])...};
  std::string record;
  if constexpr (std::is_void_v<Result>) {
    callee(Holder<Parameters>::pass(std::get<Index>(held))...);
    record = "null";
  } else {
    const std::decay_t<Result> returned = callee(Holder<Parameters>::pass(std::get<Index>(held))...);
    write(record, returned);
  }
  std::fflush(nullptr);
  hand_over(record);
  return 0;
}

template <class Result, class... Parameters>
int serve(Result (*function)(Parameters...)) {
  return call<Result, Parameters...>(function, std::index_sequence_for<Parameters...>{});
}

template <class Class, class Result, class... Parameters>
int serve(Result (Class::*method)(Parameters...)) {
  const auto instance = std::make_unique<Class>();
  const auto callee = [&](Parameters... values) -> Result {
    return ((*instance).*method)(std::forward<Parameters>(values)...);
  };
  return call<Result, Parameters...>(callee, std::index_sequence_for<Parameters...>{});
}

template <class Class, class Result, class... Parameters>
int serve(Result (Class::*method)(Parameters...) const) {
  return serve(reinterpret_cast<Result (Class::*)(Parameters...)>(method));
}

}  // namespace verdict_harness

#pragma GCC pop_options
