from __future__ import annotations

import pytest

from commscope.analysis.events.communication_names import kernel_dtype, kernel_kind, range_kind, spoken_kind

KERNELS = {
    "ncclDevKernel_AllReduce_Sum_f16_RING_LL(ncclDevComm*, unsigned long, ncclWork*)": (
        "all_reduce",
        "float16",
    ),
    "ncclKernel_AllReduce_RING_LL_Sum_float(ncclWorkElem)": ("all_reduce", "float32"),
    "ncclDevKernel_ReduceScatter_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)": (
        "reduce_scatter",
        "bfloat16",
    ),
    "ncclKernel_ReduceScatter_RING_LL_Sum___nv_bfloat16(ncclWorkElem)": ("reduce_scatter", "bfloat16"),
    "ncclDevKernel_AllGather_RING_LL(ncclDevKernelArgsStorage<4096ul>)": ("all_gather", None),
    "ncclKernel_AllGather_RING_LL_Sum_int8_t(ncclDevComm*, unsigned long, ncclWork*)": ("all_gather", None),
    "ncclKernel_Broadcast_RING_LL_Sum_int8_t(ncclWorkElem)": ("broadcast", None),
    "ncclKernel_SendRecv_RING_SIMPLE_Sum_int8_t(ncclDevComm*)": ("send_recv", None),
    "ncclDevKernel_SendRecv(ncclDevComm*, unsigned long, ncclWork*)": ("send_recv", None),
    "ncclDevKernel_Reduce_Sum_f32_RING_LL(ncclDevComm*)": ("reduce", "float32"),
    "ncclAllReduceRingLLKernel_sum_f32(ncclColl)": ("all_reduce", "float32"),
    "ncclSymkDevKernel_AllReduce_RSxLDMC_AGxSTMC_sum_bf16(ncclSymkDevWorkArgs4K)": ("all_reduce", "bfloat16"),
    "ncclSymkDevKernel_ReduceScatter_LL_sum_f32(ncclSymkDevWorkArgs4K)": ("reduce_scatter", "float32"),
    "ncclDevKernel_Generic(ncclDevComm*, unsigned long, ncclWork*)": ("unknown", None),
    "ncclDevKernel_Generic_4(ncclDevKernelArgsStorage<4096ul>)": ("unknown", None),
    "multimem_all_reduce_kernel": ("all_reduce", None),
    "void multimem_one_shot_all_reduce_kernel<c10::BFloat16, 16>(...)": ("all_reduce", None),
    "void multimem_all_gather_kernel<16>(...)": ("all_gather", None),
    "void two_shot_all_reduce_kernel<c10::BFloat16, 16, 8>(...)": ("all_reduce", None),
    "void deep_ep::intranode::dispatch<8, 768, 8192>(int4*, float*)": ("all_to_all", None),
    "void deep_ep::internode::combine<true, 8, __nv_bfloat16>(...)": ("all_to_all", None),
    "void other::ep::internode::combine<false, 8, __nv_bfloat16, 8, 2, 16, 24>(int4*)": ("all_to_all", None),
    "void other::ep::internode::notify_dispatch<false, 8>(int const*, long*)": ("all_to_all", None),
    "void other::ep::internode::cached_notify<false>(int, int)": ("barrier", None),
    "void deep_ep::intranode::cached_notify_combine<8>(void**, int*)": ("barrier", None),
    "void deep_ep::internode_ll::dispatch<true, false, 3, 10, 7168>(void*)": ("all_to_all", None),
    "void hybrid_ep::dispatch_kernel<Config, 4>(Param)": ("all_to_all", None),
    "void mori::moe::EpDispatchIntraNodeKernel<hip_bfloat16>(EpDispatchCombineArgs)": ("all_to_all", None),
    "tensorrt_llm::kernels::mnnvl_throughput::moeA2ADispatchKernel(Params)": ("all_to_all", None),
    "void acme::ring_allgather_kernel<float, 4>(float*, int)": ("all_gather", None),
    "_all_to_all_kernel": ("all_to_all", None),
    "void (anonymous namespace)::my_all_reduce<int, 2>(int*)": ("all_reduce", None),
    "void acme::FusedReduceScatter<int>(int*)": ("reduce_scatter", None),
    "void vllm::cross_device_reduce_1stage<__nv_bfloat16, 8>(...)": ("all_reduce", None),
}
COMPUTE = [
    "void cutlass::Kernel<cutlass_80_wmma_tensorop_bf16_s161616gemm_bf16_32x32_64x1_tn_align8>(Params)",
    "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float>>(...)",
    "void at::native::vectorized_gather_kernel<16, long>(...)",
    "void at::native::_scatter_gather_elementwise_kernel<128, 8>(...)",
    "triton_red_fused__to_copy_all_gather_into_tensor_mul_sum_wait_tensor_3",
    "void deep_ep::layout::get_dispatch_layout<256, 32, 8>(...)",
    "void deep_ep::internode::get_dispatch_layout<256, 32, 8>(...)",
    "_combined_routing_memset",
    "void acme::gather_kernel<acme::AllReducePolicy>(AllGather*)",
    "void acme::dispatch<float>(float*)",
    "void reduce_scatter_inputs_copy_in<4>(float*)",
    "Memcpy DtoD (Device -> Device)",
]


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_that_communicates_is_known_by_name(name):
    kind, dtype = KERNELS[name]
    assert kernel_kind(name) == kind
    assert kernel_dtype(name) == dtype


@pytest.mark.parametrize("name", COMPUTE)
def test_a_kernel_that_computes_is_no_communication(name):
    assert kernel_kind(name) is None


@pytest.mark.parametrize(
    ("spoken", "kind"),
    [
        ("allreduce", "all_reduce"),
        ("allreduce_coalesced", "all_reduce"),
        ("_allgather_base", "all_gather"),
        ("all_gather_into_tensor_coalesced", "all_gather"),
        ("_reduce_scatter_base", "reduce_scatter"),
        ("reduce_scatter_tensor_coalesced", "reduce_scatter"),
        ("all_to_allv", "all_to_all"),
        ("alltoall_base", "all_to_all"),
        ("_broadcast_oop", "broadcast"),
        ("reduce", "reduce"),
        ("recvAnysource", "recv"),
        ("send", "send"),
        ("coalesced", "send_recv"),
        ("barrier", "barrier"),
        ("wait", None),
        ("init", None),
        ("", None),
        (None, None),
    ],
)
def test_a_spoken_name_is_a_kind_and_waits_are_none(spoken, kind):
    assert spoken_kind(spoken) == kind


def test_ranges_around_launches_say_the_kind():
    assert range_kind("nccl:all_reduce") == "all_reduce"
    assert range_kind("nccl:_reduce_scatter_base") == "reduce_scatter"
    assert range_kind("gloo:all_gather") == "all_gather"
    assert range_kind("ncclAllGather") == "all_gather"
    assert range_kind("ncclGroupStart") is None
    assert range_kind("commscope:collective:reduce_scatter|op=sum") == "reduce_scatter"
    assert range_kind("forward") is None
