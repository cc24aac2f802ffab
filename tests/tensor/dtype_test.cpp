#include <kindling/tensor/dtype.h>

#include <kindling/tests/support/tensors.h>

using namespace kindling;
using namespace kindling::testing;

TEST_CASE("every dtype has its C++ type, size and name") {
  const auto facts = [](auto t) {
    const DType dtype = dtype_of<decltype(t)>();
    CHECK(size_of(dtype) == static_cast<int64_t>(sizeof(t)));
    visit(dtype, [](auto visited) { CHECK(std::is_same_v<decltype(visited), decltype(t)>); });
    return std::string(name_of(dtype));
  };
  CHECK(facts(float{}) == "f32");
  CHECK(facts(double{}) == "f64");
  CHECK(facts(int64_t{}) == "i64");
  CHECK(facts(uint8_t{}) == "u8");
  CHECK(is_floating(DType::f32));
  CHECK(is_floating(DType::f64));
  CHECK_FALSE(is_floating(DType::i64));
  CHECK_FALSE(is_floating(DType::u8));
}

TEST_CASE("visit_floating refuses integers by name") {
  CHECK(visit_floating("op", DType::f64, [](auto t) { return sizeof(t); }) == sizeof(double));
  check_throws([] { visit_floating("op", DType::u8, [](auto) {}); }, "op: needs f32 or f64, got u8");
}

TEST_CASE("conversions keep what the other type can hold") {
  const Tensor values = Tensor::from<double>({0, 1, 2.75, 200, 255});
  const std::vector<double> whole{0, 1, 2, 200, 255};  // towards zero
  for (const DType via : {DType::f32, DType::f64, DType::i64, DType::u8})
    for (const Tensor& x : {values, strided(values)}) {
      INFO("through " << via);
      const Tensor converted = x.to(via);
      CHECK(converted.dtype() == via);
      CHECK((converted.is_contiguous() || via == x.dtype()));
      CHECK(converted.to_vector<double>() == (is_floating(via) ? values.to_vector<double>() : whole));
      CHECK(converted.to_vector<uint8_t>() == std::vector<uint8_t>{0, 1, 2, 200, 255});
    }
  CHECK(Tensor::from<float>({-2.9F}).to(DType::i64).item<int64_t>() == -2);
  CHECK(Tensor::from<double>({1.0 / 3}).item<float>() == 1.0F / 3);  // rounded, as by static_cast
  const int64_t large = (int64_t{1} << 62) + 1;
  CHECK(Tensor::from<int64_t>({large}).item<int64_t>() == large);  // never by way of a double
}

TEST_CASE("converting to the same dtype is the same tensor") {
  const Tensor x = Tensor::arange(6).reshape({2, 3}).transpose();
  const Tensor same = x.to(DType::i64);
  CHECK(same.storage() == x.storage());
  CHECK(same.strides() == x.strides());
}
