"""The data sets: where their files lie, what their columns are, and how they are recognised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.contract import Column
from tasks.nids.table import Layout


@dataclass(frozen=True)
class Source:
    """A file of flows, by the names that it goes by and by its content."""

    role: str
    """`train`, `test`, or `all` where a split has to be made."""
    names: tuple[str, ...]
    """Below the folder of the set, the usual first."""
    rows: int
    """0 where it is not known."""
    sha256: str = ""
    git_blob: str = ""
    """SHA-1 of the file as a blob of Git, where repositories name that."""


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A published set of flows."""

    name: str
    title: str
    folder: str
    sources: tuple[Source, ...]
    layout: Layout
    families: Mapping[str, str] = field(default_factory=dict)
    """Type of attack → family; a type that is not named is a family of its own."""
    licence: str
    citation: str
    url: str
    hint: str
    """How to get it."""


def _columns(names: str, categories: str) -> tuple[Column, ...]:
    chosen = set(categories.split())
    return tuple(Column(name, "category" if name in chosen else "number") for name in names.split())


_KDD = (
    "duration protocol_type service flag src_bytes dst_bytes land wrong_fragment urgent hot "
    "num_failed_logins logged_in "
    "num_compromised root_shell su_attempted num_root num_file_creations num_shells num_access_files num_outbound_cmds "
    "is_host_login is_guest_login count srv_count serror_rate srv_serror_rate rerror_rate "
    "srv_rerror_rate same_srv_rate "
    "diff_srv_rate srv_diff_host_rate dst_host_count dst_host_srv_count dst_host_same_srv_rate dst_host_diff_srv_rate "
    "dst_host_same_src_port_rate dst_host_srv_diff_host_rate dst_host_serror_rate dst_host_srv_serror_rate "
    "dst_host_rerror_rate dst_host_srv_rerror_rate"
)
_KDD_COLUMNS = _columns(_KDD, "protocol_type service flag")
_KDD_KINDS = {
    "dos": "back land neptune pod smurf teardrop apache2 mailbomb processtable udpstorm worm",
    "probe": "ipsweep nmap portsweep satan mscan saint",
    "r2l": "ftp_write guess_passwd imap multihop phf spy warezclient warezmaster named sendmail "
    "snmpgetattack snmpguess "
    "xlock xsnoop",
    "u2r": "buffer_overflow loadmodule perl rootkit httptunnel ps sqlattack xterm",
}
_KDD_FAMILIES = {kind: family for family, kinds in _KDD_KINDS.items() for kind in kinds.split()}
_KDD_TRAIN = Source(
    "train",
    ("KDDTrain+.txt",),
    125_973,
    "1b86d2f957b33082081bba410fe129b475efebcc13c9014c3f447c8271aadf95",
)
_KDD_LAYOUT = Layout(columns=_KDD_COLUMNS, kind="label", benign="normal", names=(*_KDD.split(), "label", "difficulty"))


def _nsl_kdd(name: str, test: Source) -> DataSet:
    return DataSet(
        name=name,
        title="NSL-KDD",
        folder="nsl_kdd",
        sources=(_KDD_TRAIN, test),
        layout=_KDD_LAYOUT,
        families=_KDD_FAMILIES,
        licence="free for research with citation",
        citation=(
            "Tavallaee, Bagheri, Lu, Ghorbani (2009): A Detailed Analysis of the KDD CUP 99 Data Set. CISDA 2009"
        ),
        url="https://www.unb.ca/cic/datasets/nsl.html",
        hint="Ask the Canadian Institute for Cybersecurity (unb.ca/cic/datasets/nsl.html) for the files.",
    )


_UNSW = (
    "dur proto service state spkts dpkts sbytes dbytes rate sttl dttl sload dload sloss dloss sinpkt "
    "dinpkt sjit djit swin "
    "stcpb dtcpb dwin tcprtt synack ackdat smean dmean trans_depth response_body_len ct_srv_src "
    "ct_state_ttl ct_dst_ltm "
    "ct_src_dport_ltm ct_dst_sport_ltm ct_dst_src_ltm is_ftp_login ct_ftp_cmd ct_flw_http_mthd ct_src_ltm ct_srv_dst "
    "is_sm_ips_ports"
)
_UNSW_CITATION = (
    "Moustafa, Slay (2015): UNSW-NB15: a comprehensive data set for network intrusion detection systems. MilCIS 2015"
)
UNSW = DataSet(
    name="unsw-nb15",
    title="UNSW-NB15",
    folder="unsw_nb15",
    sources=(
        Source(
            "train",
            ("UNSW_NB15_training-set.csv", "UNSW_NB15_testing-set.csv"),
            175_341,
            git_blob="c8226c710f99228ee3ac60d3ef5a610677e3c36d",
        ),
        Source(
            "test",
            ("UNSW_NB15_testing-set.csv", "UNSW_NB15_training-set.csv", "UNSW_NB15_official82332.csv"),
            82_332,
            sha256="734fe6642edf758f7c94d7d9149426b49d202fe8e7bf0bef47392489c3c0a559",
            git_blob="5a120da5e21fa6b0f90ad54ab22027f29c8ad2df",
        ),
    ),
    layout=Layout(
        columns=_columns(_UNSW, "proto service state"),
        kind="attack_cat",
        benign="Normal",
        label="label",
        roles={"sttl": "ttl", "dttl": "ttl", "ct_state_ttl": "ttl"},
    ),
    licence="free for academic research with citation",
    citation=_UNSW_CITATION,
    url="https://research.unsw.edu.au/projects/unsw-nb15-dataset",
    hint="Download both CSV files of the split from research.unsw.edu.au/projects/unsw-nb15-dataset.",
)

# The field set of Sarhan et al.; addresses, ports and TTL are in it, and a policy takes them out.
_NETFLOW_2 = (
    "IPV4_SRC_ADDR L4_SRC_PORT IPV4_DST_ADDR L4_DST_PORT PROTOCOL L7_PROTO IN_BYTES IN_PKTS OUT_BYTES "
    "OUT_PKTS TCP_FLAGS "
    "CLIENT_TCP_FLAGS SERVER_TCP_FLAGS FLOW_DURATION_MILLISECONDS DURATION_IN DURATION_OUT MIN_TTL MAX_TTL "
    "LONGEST_FLOW_PKT SHORTEST_FLOW_PKT MIN_IP_PKT_LEN MAX_IP_PKT_LEN SRC_TO_DST_SECOND_BYTES DST_TO_SRC_SECOND_BYTES "
    "RETRANSMITTED_IN_BYTES RETRANSMITTED_IN_PKTS RETRANSMITTED_OUT_BYTES RETRANSMITTED_OUT_PKTS "
    "SRC_TO_DST_AVG_THROUGHPUT DST_TO_SRC_AVG_THROUGHPUT NUM_PKTS_UP_TO_128_BYTES NUM_PKTS_128_TO_256_BYTES "
    "NUM_PKTS_256_TO_512_BYTES NUM_PKTS_512_TO_1024_BYTES NUM_PKTS_1024_TO_1514_BYTES TCP_WIN_MAX_IN TCP_WIN_MAX_OUT "
    "ICMP_TYPE ICMP_IPV4_TYPE DNS_QUERY_ID DNS_QUERY_TYPE DNS_TTL_ANSWER FTP_COMMAND_RET_CODE"
)
_NETFLOW_3 = "".join(
    f" {way}_IAT_{what}" for way in ("SRC_TO_DST", "DST_TO_SRC") for what in ("MIN", "MAX", "AVG", "STDDEV")
)
"""What version 3 adds, besides the times of a flow (Luay et al. 2025)."""
_NETFLOW_CATEGORIES = (
    "IPV4_SRC_ADDR IPV4_DST_ADDR L4_SRC_PORT L4_DST_PORT PROTOCOL L7_PROTO TCP_FLAGS CLIENT_TCP_FLAGS SERVER_TCP_FLAGS "
    "ICMP_TYPE ICMP_IPV4_TYPE DNS_QUERY_TYPE FTP_COMMAND_RET_CODE"
)
_NETFLOW_ROLES = {
    **dict.fromkeys(("IPV4_SRC_ADDR", "IPV4_DST_ADDR"), "address"),
    **dict.fromkeys(("L4_SRC_PORT", "L4_DST_PORT"), "port"),
    **dict.fromkeys(("MIN_TTL", "MAX_TTL"), "ttl"),
    "DNS_QUERY_ID": "identifier",
}
_NETFLOW_CITATION = (
    "Sarhan, Layeghy, Portmann (2022): Towards a Standard Feature Set for Network Intrusion Detection System Datasets. "
    "Mobile Networks and Applications 27"
)
_NETFLOW_URL = "https://staff.itee.uq.edu.au/marius/NIDS_datasets/"


def _netflow(name: str, title: str, files: tuple[str, ...], rows: int, *, version: int) -> DataSet:
    timed = version >= 3
    return DataSet(
        name=name,
        title=title,
        folder=name.replace("-", "_"),
        sources=(Source("all", files, rows),),
        layout=Layout(
            columns=_columns(_NETFLOW_2 + (_NETFLOW_3 if timed else ""), _NETFLOW_CATEGORIES),
            kind="Attack",
            benign="Benign",
            label="Label",
            roles=_NETFLOW_ROLES,
            time="FLOW_START_MILLISECONDS" if timed else "",
        ),
        licence="free for academic research with citation",
        citation=_NETFLOW_CITATION,
        url=_NETFLOW_URL,
        hint=f"Download {title} from {_NETFLOW_URL.removeprefix('https://')} and put its CSV there.",
    )


# The columns of the corrected files, without what names a flow, its hosts, or what was attempted (which is a label).
_CIC = (
    "Src Port,Dst Port,Protocol,Flow Duration,Total Fwd Packet,Total Bwd packets,Total Length of Fwd Packet,"
    "Total Length of Bwd Packet,Fwd Packet Length Max,Fwd Packet Length Min,Fwd Packet Length Mean,"
    "Fwd Packet Length Std,Bwd Packet Length Max,Bwd Packet Length Min,Bwd Packet Length Mean,Bwd Packet Length Std,"
    "Flow Bytes/s,Flow Packets/s,Flow IAT Mean,Flow IAT Std,Flow IAT Max,Flow IAT Min,Fwd IAT Total,Fwd IAT Mean,"
    "Fwd IAT Std,Fwd IAT Max,Fwd IAT Min,Bwd IAT Total,Bwd IAT Mean,Bwd IAT Std,Bwd IAT Max,Bwd IAT Min,"
    "Fwd PSH Flags,Bwd PSH Flags,Fwd URG Flags,Bwd URG Flags,Fwd RST Flags,Bwd RST Flags,Fwd Header Length,"
    "Bwd Header Length,Fwd Packets/s,Bwd Packets/s,Packet Length Min,Packet Length Max,Packet Length Mean,"
    "Packet Length Std,Packet Length Variance,FIN Flag Count,SYN Flag Count,RST Flag Count,PSH Flag Count,"
    "ACK Flag Count,URG Flag Count,CWR Flag Count,ECE Flag Count,Down/Up Ratio,Average Packet Size,"
    "Fwd Segment Size Avg,Bwd Segment Size Avg,Fwd Bytes/Bulk Avg,Fwd Packet/Bulk Avg,Fwd Bulk Rate Avg,"
    "Bwd Bytes/Bulk Avg,Bwd Packet/Bulk Avg,Bwd Bulk Rate Avg,Subflow Fwd Packets,Subflow Fwd Bytes,"
    "Subflow Bwd Packets,Subflow Bwd Bytes,FWD Init Win Bytes,Bwd Init Win Bytes,Fwd Act Data Pkts,Fwd Seg Size Min,"
    "Active Mean,Active Std,Active Max,Active Min,Idle Mean,Idle Std,Idle Max,Idle Min,ICMP Code,ICMP Type,"
    "Total TCP Flow Time"
)
_CIC_CATEGORIES = {"Src Port", "Dst Port", "Protocol", "ICMP Code", "ICMP Type"}
_CIC_URL = "https://intrusion-detection.distrinet-research.be/CNS2022/"


def _cic(name: str, title: str) -> DataSet:
    """A set of CICFlowMeter's flows as Liu, Engelen et al. made them anew; an attempt without effect is benign."""
    return DataSet(
        name=name,
        title=title,
        folder=name.replace("-", "_"),
        sources=(Source("all", ("*.csv",), 0),),
        layout=Layout(
            columns=tuple(Column(c, "category" if c in _CIC_CATEGORIES else "number") for c in _CIC.split(",")),
            kind="Label",
            benign="BENIGN",
            benign_ending=" - Attempted",
            roles={"Src Port": "port", "Dst Port": "port"},
            time="Timestamp",
        ),
        licence="free for research with citation",
        citation=(
            "Sharafaldin, Lashkari, Ghorbani (2018): Toward Generating a New Intrusion Detection Dataset. ICISSP 2018; "
            "corrected by Liu, Engelen et al. (2022): Error Prevalence in NIDS datasets. IEEE CNS 2022"
        ),
        url=_CIC_URL,
        hint=f"Use the corrected CSV files ({_CIC_URL.removeprefix('https://')}); the first ones have known errors.",
    )


DATA_SETS = (
    _nsl_kdd(
        "nsl-kdd",
        Source("test", ("KDDTest+.txt",), 22_544, "fa46b0935342616aa83b7c2578db355b6a7aaabbc492248172c7a1e8b7ab8f84"),
    ),
    _nsl_kdd(
        "nsl-kdd-21",
        Source("test", ("KDDTest-21.txt",), 11_850, "746993ac9e25868827cacf09eab450050a2a1056e1ce48a1ad39f5dc801d531d"),
    ),
    UNSW,
    _netflow("nf-unsw-nb15-v2", "NF-UNSW-NB15-v2", ("NF-UNSW-NB15-v2.csv",), 2_390_275, version=2),
    _netflow("nf-cse-cic-ids2018-v2", "NF-CSE-CIC-IDS2018-v2", ("NF-CSE-CIC-IDS2018-v2.csv",), 0, version=2),
    _netflow("nf-unsw-nb15-v3", "NF-UNSW-NB15-v3", ("NF-UNSW-NB15-v3.csv",), 0, version=3),
    _cic("cic-ids2017", "CIC-IDS2017"),
    _cic("cse-cic-ids2018", "CSE-CIC-IDS2018"),
)
