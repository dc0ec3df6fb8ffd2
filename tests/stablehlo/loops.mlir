module @"main" {
  func.func public @main(%0: tensor<4x3xf32> {jax.arg_info = "0"} loc("0"), %1: tensor<i32> {jax.arg_info = "1"} loc("1")) -> (tensor<3xf32> {jax.result_info = "0"}, tensor<4x3xf32> {jax.result_info = "1"}) {
    %2 = stablehlo.constant dense<"0x00000000"> : tensor<i32>
    %3 = stablehlo.constant dense<"0x02000000"> : tensor<i32>
    %4 = stablehlo.constant dense<0x00000000> : tensor<3xf32> loc("full")
    %5 = stablehlo.constant dense<0x00000000> : tensor<4x3xf32> loc("scan")
    %6 = stablehlo.constant dense<0> : tensor<i32> loc("scan")
    %26:4 = "stablehlo.while"(%6, %4, %0, %5) ({
    ^bb0(%7: tensor<i32>, %8: tensor<3xf32>, %9: tensor<4x3xf32>, %10: tensor<4x3xf32>):
      %11 = stablehlo.constant dense<4> : tensor<i32> loc("scan")
      %12 = "stablehlo.compare"(%7, %11) {comparison_direction = #stablehlo<comparison_direction LT>} : (tensor<i32>, tensor<i32>) -> tensor<i1> loc("scan")
      stablehlo.return %12 : tensor<i1>
    }, {
    ^bb0(%13: tensor<i32>, %14: tensor<3xf32>, %15: tensor<4x3xf32>, %16: tensor<4x3xf32>):
      %17 = stablehlo.constant dense<0> : tensor<i32> loc("scan")
      %18 = "stablehlo.dynamic_slice"(%15, %13, %17) {slice_sizes = array<i64: 1, 3>} : (tensor<4x3xf32>, tensor<i32>, tensor<i32>) -> tensor<1x3xf32> loc("scan")
      %19 = "stablehlo.reshape"(%18) : (tensor<1x3xf32>) -> tensor<3xf32> loc("scan")
      %20 = stablehlo.add %14, %19 : tensor<3xf32> loc("add")
      %21 = stablehlo.multiply %14, %19 : tensor<3xf32> loc("mul")
      %22 = "stablehlo.reshape"(%21) : (tensor<3xf32>) -> tensor<1x3xf32> loc("scan")
      %23 = "stablehlo.dynamic_update_slice"(%16, %22, %13, %17) : (tensor<4x3xf32>, tensor<1x3xf32>, tensor<i32>, tensor<i32>) -> tensor<4x3xf32> loc("scan")
      %24 = stablehlo.constant dense<1> : tensor<i32> loc("scan")
      %25 = stablehlo.add %13, %24 : tensor<i32> loc("scan")
      stablehlo.return %25, %20, %15, %23 : tensor<i32>, tensor<3xf32>, tensor<4x3xf32>, tensor<4x3xf32>
    }) : (tensor<i32>, tensor<3xf32>, tensor<4x3xf32>, tensor<4x3xf32>) -> (tensor<i32>, tensor<3xf32>, tensor<4x3xf32>, tensor<4x3xf32>) loc("scan")
    %39:3 = "stablehlo.while"(%1, %2, %26#1) ({
    ^bb0(%27: tensor<i32>, %28: tensor<i32>, %29: tensor<3xf32>):
      %30 = "stablehlo.compare"(%28, %27) {comparison_direction = #stablehlo<comparison_direction LT>} : (tensor<i32>, tensor<i32>) -> tensor<i1> loc("lt")
      stablehlo.return %30 : tensor<i1>
    }, {
    ^bb0(%31: tensor<i32>, %32: tensor<i32>, %33: tensor<3xf32>):
      %34 = stablehlo.constant dense<"0x01000000"> : tensor<i32> loc("while")
      %35 = stablehlo.constant dense<"0x00000040"> : tensor<f32> loc("while")
      %36 = stablehlo.add %32, %34 : tensor<i32> loc("add")
      %37 = "stablehlo.broadcast_in_dim"(%35) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<3xf32> loc("mul")
      %38 = stablehlo.multiply %33, %37 : tensor<3xf32> loc("mul")
      stablehlo.return %31, %36, %38 : tensor<i32>, tensor<i32>, tensor<3xf32>
    }) : (tensor<i32>, tensor<i32>, tensor<3xf32>) -> (tensor<i32>, tensor<i32>, tensor<3xf32>) loc("while")
    %40 = "stablehlo.compare"(%1, %3) {comparison_direction = #stablehlo<comparison_direction GT>} : (tensor<i32>, tensor<i32>) -> tensor<i1> loc("gt")
    %41 = "stablehlo.convert"(%40) : (tensor<i1>) -> tensor<i32> loc("cast")
    %42 = stablehlo.maximum %41, %6 : tensor<i32> loc("cond")
    %43 = stablehlo.constant dense<1> : tensor<i32> loc("cond")
    %44 = stablehlo.minimum %42, %43 : tensor<i32> loc("cond")
    %47 = "stablehlo.case"(%44) ({
      %45 = stablehlo.negate %39#2 : tensor<3xf32> loc("neg")
      stablehlo.return %45 : tensor<3xf32>
    }, {
      %46 = stablehlo.sine %39#2 : tensor<3xf32> loc("sin")
      stablehlo.return %46 : tensor<3xf32>
    }) : (tensor<i32>) -> tensor<3xf32> loc("cond")
    return %47, %26#3 : tensor<3xf32>, tensor<4x3xf32>
  }
}
