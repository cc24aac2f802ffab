#include <fstream>

#include <kindling/io/caffe.h>

#include <kindling/tests/io/hostile_files.h>

using namespace kindling;
using namespace kindling::testing;

namespace {

std::string prototxt_refusal(const std::string& text) { return refusal(text, read_prototxt); }

/// "name:type name:type" of the layers of a .prototxt.
std::string layers_of(const std::string& text) {
  const TemporaryFolder folder;
  std::ofstream(folder / "x", std::ios::binary) << text;
  std::string names;
  for (const CaffeLayer& layer : read_prototxt(folder / "x").layers)
    names += (names.empty() ? "" : " ") + layer.name + ":" + layer.type;
  return names;
}

}  // namespace

TEST_CASE("a .prototxt has layers of names and types in an order, whatever else it has") {
  const std::string text = R"(# a comment with layer { name: "no" }
name: 'net' input: "data" input_dim: [1, 3, 227, 227]
input_shape { dim: 1 dim: -3 }
layer { name: "conv1" type: "Convolution" bottom: "data"; top: "conv1",
  convolution_param { num_output: 96 weight_filler < type: "xavier" std: 1e-3 > } param { lr_mult: 1 } param { } }
layers: { type: POOLING name: "pool" "1" }
layer { python_param { param_str: "{'name': \"}\"}"
                                  '}' } type: "Python" name: "p#}" include: [{ phase: TEST }, { phase: TRAIN }] }
state { layer { name: "hidden" } }
layers { name: 'fc' type: INNER_PRODUCT } # end)";
  const TemporaryFolder folder;
  std::ofstream(folder / "x") << text;
  CHECK(read_prototxt(folder / "x").name == "net");
  CHECK(read_prototxt(folder / "x").path == folder / "x");
  CHECK(layers_of(text) == "conv1:Convolution pool1:Pooling p#}:Python fc:InnerProduct");
}

TEST_CASE("layers of the phase TRAIN, of other levels and of stages are left out of a .prototxt") {
  const auto is_in = [](const std::string& rules) {
    const std::string layers = layers_of("layer { name: 'a' } layer { name: 'b' " + rules + " }");
    REQUIRE((layers == "a:" || layers == "a: b:"));
    return layers == "a: b:";
  };
  CHECK(is_in(""));
  CHECK(is_in("include { }"));
  CHECK(is_in("include { phase: TEST }"));
  CHECK(is_in("include { phase: 1 }"));
  CHECK_FALSE(is_in("include { phase: TRAIN }"));
  CHECK_FALSE(is_in("include { phase: 0 }"));
  CHECK(is_in("include { phase: TRAIN } include { phase: TEST }"));
  CHECK_FALSE(is_in("exclude { phase: TEST }"));
  CHECK(is_in("exclude { phase: TRAIN }"));
  CHECK_FALSE(is_in("exclude { }"));
  CHECK_FALSE(is_in("include { phase: TEST stage: 'deploy' }"));
  CHECK(is_in("include { phase: TEST not_stage: 'deploy' }"));
  CHECK(is_in("exclude { stage: 'deploy' }"));
  CHECK_FALSE(is_in("include { min_level: 1 }"));
  CHECK(is_in("include { min_level: 0 max_level: 0 }"));
  CHECK_FALSE(is_in("include { max_level: -1 }"));
}

TEST_CASE("what is no .prototxt is refused with its byte") {
  CHECK(prototxt_refusal("") == "no layers: not a .prototxt");
  CHECK(prototxt_refusal("name: 'x'") == "no layers: not a .prototxt");
  CHECK(prototxt_refusal("hello world") == "byte 6: not a .prototxt: a colon should stand here");
  CHECK(prototxt_refusal("{ }") == "byte 0: not a .prototxt: the name of a field should stand here");
  CHECK(prototxt_refusal("layer }") == "byte 6: not a .prototxt: a value should stand here");
  CHECK(prototxt_refusal("a: [ ] b: [ : ]") == "byte 12: not a .prototxt: a value should stand here");
  CHECK(prototxt_refusal("layer { name: 'a' ") == "byte 6: the file ends before what begins here");
  CHECK(prototxt_refusal("a { b { } ") == "byte 2: the file ends before what begins here");
  CHECK(prototxt_refusal("a { b [ } ]") == "byte 8: not a .prototxt: another bracket should stand here");
  CHECK(prototxt_refusal("layer < name: 'a' }") == "byte 18: not a .prototxt: the name of a field should stand here");
  CHECK(prototxt_refusal("name: 'a\n'") == "byte 6: the text that begins here has no end in its line");
  CHECK(prototxt_refusal("name: 'a\\") == "byte 6: the text that begins here has no end in its line");
}

TEST_CASE("a .prototxt of very deep messages or very many layers exhausts nothing") {
  std::string deep = "layer { name: 'a' }";
  for (int i = 0; i < 1'000'000; ++i) deep += "a{";
  CHECK(prototxt_refusal(deep) == "byte 20: the file ends before what begins here");
  deep += std::string(1'000'000, '}');
  CHECK(prototxt_refusal(deep).empty());
  std::string many;
  for (int i = 0; i < (1 << 16); ++i) many += "layer{}";
  CHECK(prototxt_refusal(many).empty());
  CHECK(prototxt_refusal(many + "layer{}") == "byte 458757: more than 65536 layers");
}

TEST_CASE("a .prototxt cut or changed anywhere is read or refused") {
  const std::string text = "name: 'n' layer { name: 'a' type: \"B\" x: [1] include { phase: TEST } }";
  for_each_truncation(text, read_prototxt, [](size_t, const std::string& said) { CHECK_FALSE(said.empty()); });
  CHECK(refused_after_change(text, read_prototxt) > text.size());
}
