// A plugin for g++ with which `#pragma reward instantiate` instantiates the templates used so far.
//
// g++ does that at the end of a translation unit, and not when it writes a precompiled header: what the inline
// functions of <bits/stdc++.h> use is instantiated anew in each program, which takes 0.4 s for an empty one
// (GCC 12, gnu++20). Any place after the use is as good a point of instantiation ([temp.point]).
//
// The compiler's own headers are a package that few hosts have, and these are all of their declarations that
// are needed (seen with GCC 11 and 12). Where another's differ, g++ does not load the plugin, and the header is
// made without it.
struct cpp_reader;
struct plugin_name_args {
  char* base_name;
  // and more that is not read here
};
struct plugin_gcc_version;
enum insert_option { NO_INSERT, INSERT };

void c_register_pragma(const char* space, const char* name, void (*handler)(cpp_reader*));
void instantiate_pending_templates(int retries);
extern "C" int get_named_event_id(const char* name, insert_option insert);
extern "C" void register_callback(const char* plugin, int event, void (*callback)(void*, void*), void* data);

static void instantiate(cpp_reader*) { instantiate_pending_templates(0); }
static void add_pragma(void*, void*) { c_register_pragma("reward", "instantiate", instantiate); }

extern "C" {
int plugin_is_GPL_compatible;

int plugin_init(plugin_name_args* plugin, plugin_gcc_version*) {
  const int pragmas = get_named_event_id("PLUGIN_PRAGMAS", NO_INSERT);
  if (pragmas < 0) return 1;
  register_callback(plugin->base_name, pragmas, add_pragma, nullptr);
  return 0;
}
}
