module @"main" {
  func.func public @main(%0: tensor<2xui32> {jax.arg_info = "0"} loc("0"), %1: tensor<5xf32> {jax.arg_info = "1"} loc("1")) -> (tensor<4xf32> {jax.result_info = "0"}, tensor<5xf32> {jax.result_info = "1"}, tensor<5xf32> {jax.result_info = "2"}) {
    %2 = stablehlo.constant dense<"0x00000040"> : tensor<f32>
    %3 = stablehlo.constant dense<"0xFFFF7FBF"> : tensor<f32>
    %4 = stablehlo.constant dense<"0xF304B53F"> : tensor<f32>
    %5 = "stablehlo.slice"(%0) {start_indices = array<i64: 0>, limit_indices = array<i64: 1>, strides = array<i64: 1>} : (tensor<2xui32>) -> tensor<1xui32> loc("random_unit")
    %6 = "stablehlo.reshape"(%5) : (tensor<1xui32>) -> tensor<ui32> loc("random_unit")
    %7 = "stablehlo.slice"(%0) {start_indices = array<i64: 1>, limit_indices = array<i64: 2>, strides = array<i64: 1>} : (tensor<2xui32>) -> tensor<1xui32> loc("random_unit")
    %8 = "stablehlo.reshape"(%7) : (tensor<1xui32>) -> tensor<ui32> loc("random_unit")
    %9 = "stablehlo.broadcast_in_dim"(%6) {broadcast_dimensions = array<i64>} : (tensor<ui32>) -> tensor<4xui32> loc("random_unit")
    %10 = "stablehlo.broadcast_in_dim"(%8) {broadcast_dimensions = array<i64>} : (tensor<ui32>) -> tensor<4xui32> loc("random_unit")
    %11 = "stablehlo.iota"() {iota_dimension = 0 : i64} : () -> tensor<4xui32> loc("random_unit")
    %12:2 = "func.call"(%9, %10, %11) {callee = @threefry_0} : (tensor<4xui32>, tensor<4xui32>, tensor<4xui32>) -> (tensor<4xui32>, tensor<4xui32>) loc("random_unit")
    %13 = stablehlo.xor %12#0, %12#1 : tensor<4xui32> loc("random_unit")
    %14 = stablehlo.constant dense<9> : tensor<4xui32> loc("random_unit")
    %15 = stablehlo.shift_right_logical %13, %14 : tensor<4xui32> loc("random_unit")
    %16 = stablehlo.constant dense<1065353216> : tensor<4xui32> loc("random_unit")
    %17 = stablehlo.or %15, %16 : tensor<4xui32> loc("random_unit")
    %18 = "stablehlo.bitcast_convert"(%17) : (tensor<4xui32>) -> tensor<4xf32> loc("random_unit")
    %19 = stablehlo.constant dense<0x3F800000> : tensor<4xf32> loc("random_unit")
    %20 = stablehlo.subtract %18, %19 : tensor<4xf32> loc("random_unit")
    %21 = "stablehlo.broadcast_in_dim"(%2) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<4xf32> loc("mul_add")
    %22 = "stablehlo.broadcast_in_dim"(%3) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<4xf32> loc("mul_add")
    %23 = stablehlo.multiply %20, %21 : tensor<4xf32> loc("mul_add")
    %24 = stablehlo.add %23, %22 : tensor<4xf32> loc("mul_add")
    %25 = "func.call"(%24) {callee = @erf_inv_1} : (tensor<4xf32>) -> tensor<4xf32> loc("erf_inv")
    %26 = "stablehlo.broadcast_in_dim"(%4) {broadcast_dimensions = array<i64>} : (tensor<f32>) -> tensor<4xf32> loc("mul")
    %27 = stablehlo.multiply %25, %26 : tensor<4xf32> loc("mul")
    %35 = "stablehlo.sort"(%1) ({
    ^bb0(%28: tensor<f32>, %29: tensor<f32>):
      %30 = "stablehlo.compare"(%28, %29) {comparison_direction = #stablehlo<comparison_direction LT>} : (tensor<f32>, tensor<f32>) -> tensor<i1> loc("sort")
      %31 = "stablehlo.compare"(%28, %28) {comparison_direction = #stablehlo<comparison_direction EQ>} : (tensor<f32>, tensor<f32>) -> tensor<i1> loc("sort")
      %32 = "stablehlo.compare"(%29, %29) {comparison_direction = #stablehlo<comparison_direction NE>} : (tensor<f32>, tensor<f32>) -> tensor<i1> loc("sort")
      %33 = stablehlo.and %31, %32 : tensor<i1> loc("sort")
      %34 = stablehlo.or %30, %33 : tensor<i1> loc("sort")
      stablehlo.return %34 : tensor<i1>
    }) {dimension = 0 : i64, is_stable = true} : (tensor<5xf32>) -> tensor<5xf32> loc("sort")
    %36 = "stablehlo.slice"(%1) {start_indices = array<i64: 0>, limit_indices = array<i64: 4>, strides = array<i64: 1>} : (tensor<5xf32>) -> tensor<4xf32> loc("cumsum")
    %37 = "stablehlo.slice"(%1) {start_indices = array<i64: 1>, limit_indices = array<i64: 5>, strides = array<i64: 1>} : (tensor<5xf32>) -> tensor<4xf32> loc("cumsum")
    %38 = stablehlo.add %36, %37 : tensor<4xf32> loc("cumsum")
    %39 = "stablehlo.slice"(%1) {start_indices = array<i64: 0>, limit_indices = array<i64: 1>, strides = array<i64: 1>} : (tensor<5xf32>) -> tensor<1xf32> loc("cumsum")
    %40 = "stablehlo.concatenate"(%39, %38) {dimension = 0 : i64} : (tensor<1xf32>, tensor<4xf32>) -> tensor<5xf32> loc("cumsum")
    %41 = "stablehlo.slice"(%40) {start_indices = array<i64: 0>, limit_indices = array<i64: 3>, strides = array<i64: 1>} : (tensor<5xf32>) -> tensor<3xf32> loc("cumsum")
    %42 = "stablehlo.slice"(%40) {start_indices = array<i64: 2>, limit_indices = array<i64: 5>, strides = array<i64: 1>} : (tensor<5xf32>) -> tensor<3xf32> loc("cumsum")
    %43 = stablehlo.add %41, %42 : tensor<3xf32> loc("cumsum")
    %44 = "stablehlo.slice"(%40) {start_indices = array<i64: 0>, limit_indices = array<i64: 2>, strides = array<i64: 1>} : (tensor<5xf32>) -> tensor<2xf32> loc("cumsum")
    %45 = "stablehlo.concatenate"(%44, %43) {dimension = 0 : i64} : (tensor<2xf32>, tensor<3xf32>) -> tensor<5xf32> loc("cumsum")
    %46 = "stablehlo.slice"(%45) {start_indices = array<i64: 0>, limit_indices = array<i64: 1>, strides = array<i64: 1>} : (tensor<5xf32>) -> tensor<1xf32> loc("cumsum")
    %47 = "stablehlo.slice"(%45) {start_indices = array<i64: 4>, limit_indices = array<i64: 5>, strides = array<i64: 1>} : (tensor<5xf32>) -> tensor<1xf32> loc("cumsum")
    %48 = stablehlo.add %46, %47 : tensor<1xf32> loc("cumsum")
    %49 = "stablehlo.slice"(%45) {start_indices = array<i64: 0>, limit_indices = array<i64: 4>, strides = array<i64: 1>} : (tensor<5xf32>) -> tensor<4xf32> loc("cumsum")
    %50 = "stablehlo.concatenate"(%49, %48) {dimension = 0 : i64} : (tensor<4xf32>, tensor<1xf32>) -> tensor<5xf32> loc("cumsum")
    return %27, %35, %50 : tensor<4xf32>, tensor<5xf32>, tensor<5xf32>
  }
  func.func private @threefry_0(%0: tensor<4xui32>, %1: tensor<4xui32>, %2: tensor<4xui32>) -> (tensor<4xui32>, tensor<4xui32>) {
    %3 = stablehlo.xor %0, %1 : tensor<4xui32>
    %4 = stablehlo.constant dense<466688986> : tensor<4xui32>
    %5 = stablehlo.xor %3, %4 : tensor<4xui32>
    %6 = stablehlo.add %2, %1 : tensor<4xui32>
    %7 = stablehlo.add %0, %6 : tensor<4xui32>
    %8 = stablehlo.constant dense<13> : tensor<4xui32>
    %9 = stablehlo.shift_left %6, %8 : tensor<4xui32>
    %10 = stablehlo.constant dense<19> : tensor<4xui32>
    %11 = stablehlo.shift_right_logical %6, %10 : tensor<4xui32>
    %12 = stablehlo.or %9, %11 : tensor<4xui32>
    %13 = stablehlo.xor %12, %7 : tensor<4xui32>
    %14 = stablehlo.add %7, %13 : tensor<4xui32>
    %15 = stablehlo.constant dense<15> : tensor<4xui32>
    %16 = stablehlo.shift_left %13, %15 : tensor<4xui32>
    %17 = stablehlo.constant dense<17> : tensor<4xui32>
    %18 = stablehlo.shift_right_logical %13, %17 : tensor<4xui32>
    %19 = stablehlo.or %16, %18 : tensor<4xui32>
    %20 = stablehlo.xor %19, %14 : tensor<4xui32>
    %21 = stablehlo.add %14, %20 : tensor<4xui32>
    %22 = stablehlo.constant dense<26> : tensor<4xui32>
    %23 = stablehlo.shift_left %20, %22 : tensor<4xui32>
    %24 = stablehlo.constant dense<6> : tensor<4xui32>
    %25 = stablehlo.shift_right_logical %20, %24 : tensor<4xui32>
    %26 = stablehlo.or %23, %25 : tensor<4xui32>
    %27 = stablehlo.xor %26, %21 : tensor<4xui32>
    %28 = stablehlo.add %21, %27 : tensor<4xui32>
    %29 = stablehlo.shift_left %27, %24 : tensor<4xui32>
    %30 = stablehlo.shift_right_logical %27, %22 : tensor<4xui32>
    %31 = stablehlo.or %29, %30 : tensor<4xui32>
    %32 = stablehlo.xor %31, %28 : tensor<4xui32>
    %33 = stablehlo.add %28, %1 : tensor<4xui32>
    %34 = stablehlo.add %32, %5 : tensor<4xui32>
    %35 = stablehlo.constant dense<1> : tensor<4xui32>
    %36 = stablehlo.add %34, %35 : tensor<4xui32>
    %37 = stablehlo.add %33, %36 : tensor<4xui32>
    %38 = stablehlo.shift_left %36, %17 : tensor<4xui32>
    %39 = stablehlo.shift_right_logical %36, %15 : tensor<4xui32>
    %40 = stablehlo.or %38, %39 : tensor<4xui32>
    %41 = stablehlo.xor %40, %37 : tensor<4xui32>
    %42 = stablehlo.add %37, %41 : tensor<4xui32>
    %43 = stablehlo.constant dense<29> : tensor<4xui32>
    %44 = stablehlo.shift_left %41, %43 : tensor<4xui32>
    %45 = stablehlo.constant dense<3> : tensor<4xui32>
    %46 = stablehlo.shift_right_logical %41, %45 : tensor<4xui32>
    %47 = stablehlo.or %44, %46 : tensor<4xui32>
    %48 = stablehlo.xor %47, %42 : tensor<4xui32>
    %49 = stablehlo.add %42, %48 : tensor<4xui32>
    %50 = stablehlo.constant dense<16> : tensor<4xui32>
    %51 = stablehlo.shift_left %48, %50 : tensor<4xui32>
    %52 = stablehlo.shift_right_logical %48, %50 : tensor<4xui32>
    %53 = stablehlo.or %51, %52 : tensor<4xui32>
    %54 = stablehlo.xor %53, %49 : tensor<4xui32>
    %55 = stablehlo.add %49, %54 : tensor<4xui32>
    %56 = stablehlo.constant dense<24> : tensor<4xui32>
    %57 = stablehlo.shift_left %54, %56 : tensor<4xui32>
    %58 = stablehlo.constant dense<8> : tensor<4xui32>
    %59 = stablehlo.shift_right_logical %54, %58 : tensor<4xui32>
    %60 = stablehlo.or %57, %59 : tensor<4xui32>
    %61 = stablehlo.xor %60, %55 : tensor<4xui32>
    %62 = stablehlo.add %55, %5 : tensor<4xui32>
    %63 = stablehlo.add %61, %0 : tensor<4xui32>
    %64 = stablehlo.constant dense<2> : tensor<4xui32>
    %65 = stablehlo.add %63, %64 : tensor<4xui32>
    %66 = stablehlo.add %62, %65 : tensor<4xui32>
    %67 = stablehlo.shift_left %65, %8 : tensor<4xui32>
    %68 = stablehlo.shift_right_logical %65, %10 : tensor<4xui32>
    %69 = stablehlo.or %67, %68 : tensor<4xui32>
    %70 = stablehlo.xor %69, %66 : tensor<4xui32>
    %71 = stablehlo.add %66, %70 : tensor<4xui32>
    %72 = stablehlo.shift_left %70, %15 : tensor<4xui32>
    %73 = stablehlo.shift_right_logical %70, %17 : tensor<4xui32>
    %74 = stablehlo.or %72, %73 : tensor<4xui32>
    %75 = stablehlo.xor %74, %71 : tensor<4xui32>
    %76 = stablehlo.add %71, %75 : tensor<4xui32>
    %77 = stablehlo.shift_left %75, %22 : tensor<4xui32>
    %78 = stablehlo.shift_right_logical %75, %24 : tensor<4xui32>
    %79 = stablehlo.or %77, %78 : tensor<4xui32>
    %80 = stablehlo.xor %79, %76 : tensor<4xui32>
    %81 = stablehlo.add %76, %80 : tensor<4xui32>
    %82 = stablehlo.shift_left %80, %24 : tensor<4xui32>
    %83 = stablehlo.shift_right_logical %80, %22 : tensor<4xui32>
    %84 = stablehlo.or %82, %83 : tensor<4xui32>
    %85 = stablehlo.xor %84, %81 : tensor<4xui32>
    %86 = stablehlo.add %81, %0 : tensor<4xui32>
    %87 = stablehlo.add %85, %1 : tensor<4xui32>
    %88 = stablehlo.add %87, %45 : tensor<4xui32>
    %89 = stablehlo.add %86, %88 : tensor<4xui32>
    %90 = stablehlo.shift_left %88, %17 : tensor<4xui32>
    %91 = stablehlo.shift_right_logical %88, %15 : tensor<4xui32>
    %92 = stablehlo.or %90, %91 : tensor<4xui32>
    %93 = stablehlo.xor %92, %89 : tensor<4xui32>
    %94 = stablehlo.add %89, %93 : tensor<4xui32>
    %95 = stablehlo.shift_left %93, %43 : tensor<4xui32>
    %96 = stablehlo.shift_right_logical %93, %45 : tensor<4xui32>
    %97 = stablehlo.or %95, %96 : tensor<4xui32>
    %98 = stablehlo.xor %97, %94 : tensor<4xui32>
    %99 = stablehlo.add %94, %98 : tensor<4xui32>
    %100 = stablehlo.shift_left %98, %50 : tensor<4xui32>
    %101 = stablehlo.shift_right_logical %98, %50 : tensor<4xui32>
    %102 = stablehlo.or %100, %101 : tensor<4xui32>
    %103 = stablehlo.xor %102, %99 : tensor<4xui32>
    %104 = stablehlo.add %99, %103 : tensor<4xui32>
    %105 = stablehlo.shift_left %103, %56 : tensor<4xui32>
    %106 = stablehlo.shift_right_logical %103, %58 : tensor<4xui32>
    %107 = stablehlo.or %105, %106 : tensor<4xui32>
    %108 = stablehlo.xor %107, %104 : tensor<4xui32>
    %109 = stablehlo.add %104, %1 : tensor<4xui32>
    %110 = stablehlo.add %108, %5 : tensor<4xui32>
    %111 = stablehlo.constant dense<4> : tensor<4xui32>
    %112 = stablehlo.add %110, %111 : tensor<4xui32>
    %113 = stablehlo.add %109, %112 : tensor<4xui32>
    %114 = stablehlo.shift_left %112, %8 : tensor<4xui32>
    %115 = stablehlo.shift_right_logical %112, %10 : tensor<4xui32>
    %116 = stablehlo.or %114, %115 : tensor<4xui32>
    %117 = stablehlo.xor %116, %113 : tensor<4xui32>
    %118 = stablehlo.add %113, %117 : tensor<4xui32>
    %119 = stablehlo.shift_left %117, %15 : tensor<4xui32>
    %120 = stablehlo.shift_right_logical %117, %17 : tensor<4xui32>
    %121 = stablehlo.or %119, %120 : tensor<4xui32>
    %122 = stablehlo.xor %121, %118 : tensor<4xui32>
    %123 = stablehlo.add %118, %122 : tensor<4xui32>
    %124 = stablehlo.shift_left %122, %22 : tensor<4xui32>
    %125 = stablehlo.shift_right_logical %122, %24 : tensor<4xui32>
    %126 = stablehlo.or %124, %125 : tensor<4xui32>
    %127 = stablehlo.xor %126, %123 : tensor<4xui32>
    %128 = stablehlo.add %123, %127 : tensor<4xui32>
    %129 = stablehlo.shift_left %127, %24 : tensor<4xui32>
    %130 = stablehlo.shift_right_logical %127, %22 : tensor<4xui32>
    %131 = stablehlo.or %129, %130 : tensor<4xui32>
    %132 = stablehlo.xor %131, %128 : tensor<4xui32>
    %133 = stablehlo.add %128, %5 : tensor<4xui32>
    %134 = stablehlo.add %132, %0 : tensor<4xui32>
    %135 = stablehlo.constant dense<5> : tensor<4xui32>
    %136 = stablehlo.add %134, %135 : tensor<4xui32>
    return %133, %136 : tensor<4xui32>, tensor<4xui32>
  }
  func.func private @erf_inv_1(%0: tensor<4xf32>) -> (tensor<4xf32>) {
    %1 = stablehlo.negate %0 : tensor<4xf32>
    %2 = stablehlo.multiply %0, %1 : tensor<4xf32>
    %3 = stablehlo.log_plus_one %2 : tensor<4xf32>
    %4 = stablehlo.negate %3 : tensor<4xf32>
    %5 = stablehlo.constant dense<0x40A00000> : tensor<4xf32>
    %6 = "stablehlo.compare"(%4, %5) {comparison_direction = #stablehlo<comparison_direction LT>} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
    %7 = stablehlo.constant dense<0x40200000> : tensor<4xf32>
    %8 = stablehlo.subtract %4, %7 : tensor<4xf32>
    %9 = stablehlo.sqrt %4 : tensor<4xf32>
    %10 = stablehlo.constant dense<0x40400000> : tensor<4xf32>
    %11 = stablehlo.subtract %9, %10 : tensor<4xf32>
    %12 = "stablehlo.select"(%6, %8, %11) : (tensor<4xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %13 = stablehlo.constant dense<0x32F16588> : tensor<4xf32>
    %14 = stablehlo.multiply %13, %12 : tensor<4xf32>
    %15 = stablehlo.constant dense<0x34B84B36> : tensor<4xf32>
    %16 = stablehlo.add %14, %15 : tensor<4xf32>
    %17 = stablehlo.multiply %16, %12 : tensor<4xf32>
    %18 = stablehlo.constant dense<0xB66C7357> : tensor<4xf32>
    %19 = stablehlo.add %17, %18 : tensor<4xf32>
    %20 = stablehlo.multiply %19, %12 : tensor<4xf32>
    %21 = stablehlo.constant dense<0xB6935AC1> : tensor<4xf32>
    %22 = stablehlo.add %20, %21 : tensor<4xf32>
    %23 = stablehlo.multiply %22, %12 : tensor<4xf32>
    %24 = stablehlo.constant dense<0x396532DB> : tensor<4xf32>
    %25 = stablehlo.add %23, %24 : tensor<4xf32>
    %26 = stablehlo.multiply %25, %12 : tensor<4xf32>
    %27 = stablehlo.constant dense<0xBAA45408> : tensor<4xf32>
    %28 = stablehlo.add %26, %27 : tensor<4xf32>
    %29 = stablehlo.multiply %28, %12 : tensor<4xf32>
    %30 = stablehlo.constant dense<0xBB88E4EF> : tensor<4xf32>
    %31 = stablehlo.add %29, %30 : tensor<4xf32>
    %32 = stablehlo.multiply %31, %12 : tensor<4xf32>
    %33 = stablehlo.constant dense<0x3E7C8F63> : tensor<4xf32>
    %34 = stablehlo.add %32, %33 : tensor<4xf32>
    %35 = stablehlo.multiply %34, %12 : tensor<4xf32>
    %36 = stablehlo.constant dense<0x3FC02E2F> : tensor<4xf32>
    %37 = stablehlo.add %35, %36 : tensor<4xf32>
    %38 = stablehlo.constant dense<0xB951F09B> : tensor<4xf32>
    %39 = stablehlo.multiply %38, %12 : tensor<4xf32>
    %40 = stablehlo.constant dense<0x38D3B56B> : tensor<4xf32>
    %41 = stablehlo.add %39, %40 : tensor<4xf32>
    %42 = stablehlo.multiply %41, %12 : tensor<4xf32>
    %43 = stablehlo.constant dense<0x3AB0DC72> : tensor<4xf32>
    %44 = stablehlo.add %42, %43 : tensor<4xf32>
    %45 = stablehlo.multiply %44, %12 : tensor<4xf32>
    %46 = stablehlo.constant dense<0xBB70BDE7> : tensor<4xf32>
    %47 = stablehlo.add %45, %46 : tensor<4xf32>
    %48 = stablehlo.multiply %47, %12 : tensor<4xf32>
    %49 = stablehlo.constant dense<0x3BBC127B> : tensor<4xf32>
    %50 = stablehlo.add %48, %49 : tensor<4xf32>
    %51 = stablehlo.multiply %50, %12 : tensor<4xf32>
    %52 = stablehlo.constant dense<0xBBF9C5D7> : tensor<4xf32>
    %53 = stablehlo.add %51, %52 : tensor<4xf32>
    %54 = stablehlo.multiply %53, %12 : tensor<4xf32>
    %55 = stablehlo.constant dense<0x3C1AA57E> : tensor<4xf32>
    %56 = stablehlo.add %54, %55 : tensor<4xf32>
    %57 = stablehlo.multiply %56, %12 : tensor<4xf32>
    %58 = stablehlo.constant dense<0x3F8036DB> : tensor<4xf32>
    %59 = stablehlo.add %57, %58 : tensor<4xf32>
    %60 = stablehlo.multiply %59, %12 : tensor<4xf32>
    %61 = stablehlo.constant dense<0x40354F7E> : tensor<4xf32>
    %62 = stablehlo.add %60, %61 : tensor<4xf32>
    %63 = "stablehlo.select"(%6, %37, %62) : (tensor<4xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %64 = stablehlo.abs %0 : tensor<4xf32>
    %65 = stablehlo.constant dense<0x3F800000> : tensor<4xf32>
    %66 = "stablehlo.compare"(%64, %65) {comparison_direction = #stablehlo<comparison_direction EQ>} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
    %67 = stablehlo.constant dense<0x7F800000> : tensor<4xf32>
    %68 = stablehlo.multiply %0, %67 : tensor<4xf32>
    %69 = stablehlo.multiply %63, %0 : tensor<4xf32>
    %70 = "stablehlo.select"(%66, %68, %69) : (tensor<4xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    return %70 : tensor<4xf32>
  }
}
