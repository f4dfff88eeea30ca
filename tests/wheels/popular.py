"""Popular wheels, and a small computation with each."""

from __future__ import annotations

import os

TORCH = os.environ.get("SEMATIC_TEST_TORCH", "torch")
"""Which one: where the index has several, that for CPUs is named so (``torch==2.13.0+cpu``)."""

_ONLY = {"torch": "platform_machine == 'x86_64'"}  # elsewhere it is four gigabytes with CUDA

COMPUTATIONS = {
    "boto3": "import boto3; assert boto3.session.Session().get_available_regions('s3')",
    "cryptography": "from cryptography.fernet import Fernet; f = Fernet(Fernet.generate_key()); "
    "assert f.decrypt(f.encrypt(b'x')) == b'x'",
    "fastapi": "import fastapi; assert fastapi.FastAPI().openapi()['openapi']",
    "google-cloud-bigquery": "from google.cloud import bigquery; "
    "assert bigquery.SchemaField('a', 'STRING').to_api_repr()['name'] == 'a'",
    "google-cloud-pubsub": "from google.cloud import pubsub_v1; "
    "assert pubsub_v1.types.PubsubMessage(data=b'x').data == b'x'",
    "google-cloud-storage": "from google.cloud import storage; assert storage.Blob",
    "grpcio": "import grpc; assert grpc.insecure_channel('127.0.0.1:1').close() is None",
    "lightgbm": "import lightgbm, numpy; x = numpy.arange(200.0).reshape(100, 2); "
    "lightgbm.train({'verbose': -1}, lightgbm.Dataset(x, x[:, 0]), 2)",
    "matplotlib": "import io, matplotlib; matplotlib.use('agg'); from matplotlib import pyplot; "
    "pyplot.plot([1, 2]); b = io.BytesIO(); pyplot.savefig(b); assert b.getvalue()[1:4] == b'PNG'",
    "numpy": "import numpy; assert numpy.linalg.norm([3, 4]) == 5",
    "opencv-python-headless": "import cv2, numpy; "
    "assert cv2.resize(numpy.zeros((4, 4), 'uint8'), (2, 2)).shape == (2, 2)",
    "pandas": "import pandas; assert pandas.Series([1, 2]).sum() == 3",
    "pillow": "from PIL import Image; assert Image.new('L', (2, 2)).resize((1, 1)).size == (1, 1)",
    "pyarrow": "import pyarrow.compute as c, pyarrow; "
    "assert c.sum(pyarrow.array([1, 2])).as_py() == 3",
    "pydantic": "import pydantic; assert pydantic.create_model('M', x=(int, ...))(x='3').x == 3",
    "requests": "import requests; assert requests.Request('GET', 'http://a').prepare().url",
    "scikit-learn": "from sklearn.linear_model import LinearRegression as L; "
    "assert round(L().fit([[0], [1]], [0, 1]).predict([[2]])[0]) == 2",
    "scipy": "from scipy.integrate import quad; assert round(quad(lambda x: x, 0, 2)[0]) == 2",
    "sqlalchemy": "import sqlalchemy as s; "
    "assert s.create_engine('sqlite://').connect().execute(s.text('select 1')).scalar() == 1",
    "torch": "import torch; assert torch.ones(2, 2).matmul(torch.ones(2, 2)).sum() == 8",
    "transformers": "from transformers import BertConfig, BertModel; "
    "assert BertModel(BertConfig(hidden_size=12, num_hidden_layers=1)).dtype",
}


def requirements() -> str:
    """A requirements.txt of them, and of pip, which says whether they go together."""
    names = {name: TORCH if name == "torch" else name for name in COMPUTATIONS}
    lines = [f"{text}; {_ONLY[name]}" if name in _ONLY else text for name, text in names.items()]
    return "\n".join([*lines, "pip", ""])
