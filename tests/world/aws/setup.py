"""What an administrator does at AWS before a gateway can: a user who may read secrets, and secrets.

Usage: setup.py ENDPOINT user | enforce | secret NAME VALUE | bucket NAME | objects NAME | download NAME PREFIX FOLDER
"""

import json
import pathlib
import sys
import urllib.request

import boto3

ENDPOINT, WHAT = sys.argv[1:3]
NEVER = "100000"


def enforce_after(actions):
    """moto answers so many more actions without asking who it is."""
    url = f"{ENDPOINT}/moto-api/reset-auth"
    plain = {"Content-Type": "text/plain"}
    request = urllib.request.Request(url, data=actions.encode(), headers=plain)
    urllib.request.urlopen(request)


def client(service):
    return boto3.client(service, endpoint_url=ENDPOINT)


if WHAT == "user":
    enforce_after(NEVER)
    iam = client("iam")
    iam.create_user(UserName="gateway")
    allow = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [allow]}
    iam.put_user_policy(
        UserName="gateway", PolicyName="read", PolicyDocument=json.dumps(policy)
    )
    key = iam.create_access_key(UserName="gateway")["AccessKey"]
    print(key["AccessKeyId"], key["SecretAccessKey"])
elif WHAT == "secret":
    name, value = sys.argv[3:5]
    enforce_after(NEVER)
    manager = client("secretsmanager")
    try:
        manager.create_secret(Name=name, SecretString=value)
    except manager.exceptions.ResourceExistsException:
        manager.put_secret_value(SecretId=name, SecretString=value)
    enforce_after("0")
elif WHAT == "enforce":
    enforce_after("0")
elif WHAT == "bucket":
    (name,) = sys.argv[3:4]
    enforce_after(NEVER)
    client("s3").create_bucket(
        Bucket=name,
        ObjectLockEnabledForBucket=True,
        CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
    )
    writes = ["s3:PutObject", "s3:PutObjectRetention"]
    allow = {"Effect": "Allow", "Action": writes, "Resource": f"arn:aws:s3:::{name}/*"}
    policy = {"Version": "2012-10-17", "Statement": [allow]}
    client("iam").put_user_policy(
        UserName="gateway", PolicyName="copy", PolicyDocument=json.dumps(policy)
    )
    enforce_after("0")
elif WHAT == "objects":
    (name,) = sys.argv[3:4]
    enforce_after(NEVER)
    s3 = client("s3")
    for found in s3.list_objects_v2(Bucket=name).get("Contents", []):
        head = s3.head_object(Bucket=name, Key=found["Key"])
        print(found["Key"], head.get("ObjectLockMode"), found["Size"])
    enforce_after("0")
elif WHAT == "download":
    name, prefix, folder = sys.argv[3:6]
    enforce_after(NEVER)
    s3 = client("s3")
    for found in s3.list_objects_v2(Bucket=name, Prefix=prefix).get("Contents", []):
        file = pathlib.Path(folder) / found["Key"].removeprefix(prefix)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(s3.get_object(Bucket=name, Key=found["Key"])["Body"].read())
    enforce_after("0")
