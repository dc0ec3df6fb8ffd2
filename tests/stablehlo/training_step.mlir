module @"main" {
  func.func public @main(%0: tensor<2xf32> {jax.arg_info = "0/Dense_0/bias", tf.aliasing_output = 0 : i32} loc("0/Dense_0/bias"), %1: tensor<3x2xf32> {jax.arg_info = "0/Dense_0/kernel", tf.aliasing_output = 1 : i32} loc("0/Dense_0/kernel"), %2: tensor<3xf32> {jax.arg_info = "0/Dense_1/bias", tf.aliasing_output = 2 : i32} loc("0/Dense_1/bias"), %3: tensor<5x3xf32> {jax.arg_info = "0/Dense_1/kernel", tf.aliasing_output = 3 : i32} loc("0/Dense_1/kernel"), %4: tensor<4x5xf32> {jax.arg_info = "1"} loc("1")) -> (tensor<2xf32> {jax.result_info = "0/Dense_0/bias"}, tensor<3x2xf32> {jax.result_info = "0/Dense_0/kernel"}, tensor<3xf32> {jax.result_info = "0/Dense_1/bias"}, tensor<5x3xf32> {jax.result_info = "0/Dense_1/kernel"}, tensor<f32> {jax.result_info = "1"}) {
    %5 = stablehlo.constant dense<"0x00000041"> : tensor<f32>
    %6 = stablehlo.constant dense<"0x00000040"> : tensor<f32>
    %7 = stablehlo.constant dense<"0x00000000"> : tensor<f32>
    %8 = stablehlo.constant dense<"0xCDCCCC3D"> : tensor<f32>
    %9 = stablehlo.constant dense<"0x0000003E"> : tensor<4x2xf32>
    %10 = "stablehlo.dot_general"(%4, %3) {dot_dimension_numbers = #stablehlo.dot<lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>} : (tensor<4x5xf32>, tensor<5x3xf32>) -> tensor<4x3xf32> loc("Dense_1/dot_general")
    %11 = "stablehlo.broadcast_in_dim"(%2) {broadcast_dimensions = array<i64: 1>} : (tensor<3xf32>) -> tensor<4x3xf32> loc("Dense_1/add")
    %12 = stablehlo.add %10, %11 : tensor<4x3xf32> loc("Dense_1/add")
    %13 = stablehlo.constant dense<0x00000000> : tensor<4x3xf32> loc("relu")
    %14 = stablehlo.maximum %12, %13 : tensor<4x3xf32> loc("relu")
    %15 = "stablehlo.dot_general"(%14, %1) {dot_dimension_numbers = #stablehlo.dot<lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>} : (tensor<4x3xf32>, tensor<3x2xf32>) -> tensor<4x2xf32> loc("Dense_0/dot_general")
    %16 = "stablehlo.broadcast_in_dim"(%0) {broadcast_dimensions = array<i64: 1>} : (tensor<2xf32>) -> tensor<4x2xf32> loc("Dense_0/add")
    %17 = stablehlo.add %15, %16 : tensor<4x2xf32> loc("Dense_0/add")
    %18 = stablehlo.multiply %17, %17 : tensor<4x2xf32> loc("powi")
    %19 = stablehlo.constant dense<0x00000000> : tensor<f32> loc("sum")
    %23 = "stablehlo.reduce"(%18, %19) ({
    ^bb0(%20: tensor<f32>, %21: tensor<f32>):
      %22 = stablehlo.add %20, %21 : tensor<f32> loc("sum")
      stablehlo.return %22 : tensor<f32>
    }) {dimensions = array<i64: 0, 1>} : (tensor<4x2xf32>, tensor<f32>) -> tensor<f32> loc("sum")
    %24 = stablehlo.divide %23, %5 : tensor<f32> loc("div")
    %25 = "stablehlo.broadcast_in_dim"(%6) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<4x2xf32> loc("mul")
    %26 = stablehlo.multiply %17, %25 : tensor<4x2xf32> loc("mul")
    %27 = stablehlo.multiply %9, %26 : tensor<4x2xf32> loc("mul")
    %31 = "stablehlo.reduce"(%27, %19) ({
    ^bb0(%28: tensor<f32>, %29: tensor<f32>):
      %30 = stablehlo.add %28, %29 : tensor<f32> loc("Dense_0/sum")
      stablehlo.return %30 : tensor<f32>
    }) {dimensions = array<i64: 0>} : (tensor<4x2xf32>, tensor<f32>) -> tensor<2xf32> loc("Dense_0/sum")
    %32 = "stablehlo.dot_general"(%27, %1) {dot_dimension_numbers = #stablehlo.dot<lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [1]>} : (tensor<4x2xf32>, tensor<3x2xf32>) -> tensor<4x3xf32> loc("Dense_0/dot_general")
    %33 = "stablehlo.dot_general"(%14, %27) {dot_dimension_numbers = #stablehlo.dot<lhs_contracting_dimensions = [0], rhs_contracting_dimensions = [0]>} : (tensor<4x3xf32>, tensor<4x2xf32>) -> tensor<3x2xf32> loc("Dense_0/dot_general")
    %34 = "stablehlo.broadcast_in_dim"(%7) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<4x3xf32> loc("gt")
    %35 = "stablehlo.compare"(%14, %34) {comparison_direction = #stablehlo<comparison_direction GT>} : (tensor<4x3xf32>, tensor<4x3xf32>) -> tensor<4x3xi1> loc("gt")
    %36 = "stablehlo.broadcast_in_dim"(%7) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<4x3xf32> loc("select")
    %37 = "stablehlo.select"(%35, %32, %36) : (tensor<4x3xi1>, tensor<4x3xf32>, tensor<4x3xf32>) -> tensor<4x3xf32> loc("select")
    %41 = "stablehlo.reduce"(%37, %19) ({
    ^bb0(%38: tensor<f32>, %39: tensor<f32>):
      %40 = stablehlo.add %38, %39 : tensor<f32> loc("Dense_1/sum")
      stablehlo.return %40 : tensor<f32>
    }) {dimensions = array<i64: 0>} : (tensor<4x3xf32>, tensor<f32>) -> tensor<3xf32> loc("Dense_1/sum")
    %42 = "stablehlo.dot_general"(%4, %37) {dot_dimension_numbers = #stablehlo.dot<lhs_contracting_dimensions = [0], rhs_contracting_dimensions = [0]>} : (tensor<4x5xf32>, tensor<4x3xf32>) -> tensor<5x3xf32> loc("Dense_1/dot_general")
    %43 = "stablehlo.broadcast_in_dim"(%8) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<2xf32> loc("mul")
    %44 = stablehlo.multiply %31, %43 : tensor<2xf32> loc("mul")
    %45 = stablehlo.subtract %0, %44 : tensor<2xf32> loc("sub")
    %46 = "stablehlo.broadcast_in_dim"(%8) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3x2xf32> loc("mul")
    %47 = stablehlo.multiply %33, %46 : tensor<3x2xf32> loc("mul")
    %48 = stablehlo.subtract %1, %47 : tensor<3x2xf32> loc("sub")
    %49 = "stablehlo.broadcast_in_dim"(%8) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3xf32> loc("mul")
    %50 = stablehlo.multiply %41, %49 : tensor<3xf32> loc("mul")
    %51 = stablehlo.subtract %2, %50 : tensor<3xf32> loc("sub")
    %52 = "stablehlo.broadcast_in_dim"(%8) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<5x3xf32> loc("mul")
    %53 = stablehlo.multiply %42, %52 : tensor<5x3xf32> loc("mul")
    %54 = stablehlo.subtract %3, %53 : tensor<5x3xf32> loc("sub")
    return %45, %48, %51, %54, %24 : tensor<2xf32>, tensor<3x2xf32>, tensor<3xf32>, tensor<5x3xf32>, tensor<f32>
  }
}
